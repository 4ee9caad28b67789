import json

import pytest
import torch
from safetensors.torch import load_file

from harness.api import HarnessError, Preparation
from harness_plugins.subjects.image_classifier import training
from harness_plugins.subjects.image_classifier.plugin import ImageClassifier
from harness_plugins.subjects.image_classifier.training import Data, moved, share_of_rate

TOY = ImageClassifier.toy()


def prepared(folder, steps=3, **more):
    folder.mkdir(exist_ok=True)
    recipe = {**TOY.training["recipe"], "steps": steps, **more.pop("recipe", {})}
    return Preparation(TOY.subject, 0, folder, {}, training={**TOY.training, "recipe": recipe}, **more)


def trained(preparation):
    TOY.subject.train(preparation)
    return load_file(preparation.folder / "weights.safetensors")


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_training_lowers_the_loss_and_says_what_it_took(tmp_path):
    preparation = prepared(tmp_path / "a", steps=30, recipe={"milestones": [1.0], "crop": 0, "flip": False})
    trained(preparation)
    epochs = json.loads((tmp_path / "a" / "training.json").read_text())["epochs"]

    assert len(epochs) == 15  # of two batches of eight
    assert epochs[-1]["cross_entropy"] < epochs[0]["cross_entropy"] / 2
    readings = {one.metric: one.value for one in preparation.readings}
    assert readings["prepare_images"] == 240
    # forward, and twice as much backward, but for the gradient of the images themselves
    forward, first = 8 * 2 * FORWARD_MACS, 8 * 2 * 3 * 16 * 9 * 64
    assert readings["prepare_flops"] == 30 * (3 * forward - first)


# ResNet-8 at 8 x 8: 3 → 16 and two of 16 → 16 at 64 places, then 16 → 32, 32 → 32 at 16, 32 → 64, 64 → 64 at 4
FORWARD_MACS = 9 * (64 * (48 + 2 * 256) + 16 * (512 + 1024) + 4 * (2048 + 4096)) + 640


def test_one_that_was_killed_ends_with_the_weights_of_one_that_was_not(tmp_path, monkeypatch):
    whole = trained(prepared(tmp_path / "whole", steps=6))
    monkeypatch.setattr(training, "CHECKPOINT_EVERY_S", 0.0)

    def stop(note):
        if note.startswith("step 4 of"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(prepared(tmp_path / "part", steps=6, scratch=tmp_path, progress=stop, spent=lambda: {"s": 5.0}))
    told = []
    second = prepared(tmp_path / "part", steps=6, scratch=tmp_path, progress=told.append)

    assert same(trained(second), whole)
    assert told[0] == "goes on from step 3 of 6"
    assert second.before == {"s": 5.0}


def test_the_same_seed_gives_the_same_weights_and_another_does_not(tmp_path):
    first, second = (trained(prepared(tmp_path / name)) for name in ("a", "b"))
    other = prepared(tmp_path / "c")
    other.seed = 1

    assert same(first, second)
    assert not same(first, trained(other))


def test_what_a_network_draws_does_not_change_what_it_is_shown():
    one, other = (Data(TOY.training["images"], TOY.subject.mean, TOY.subject.std, "cpu") for _ in range(2))
    recipe = TOY.training["recipe"]
    first = [one.batch(recipe, 0, step)[1].tolist() for step in range(4)]
    torch.rand(100)

    assert [other.batch(recipe, 0, step)[1].tolist() for step in reversed(range(4))][::-1] == first
    assert sorted(first[0] + first[1]) == sorted(one.labels.tolist())  # an epoch shows each image once
    assert first[:2] != first[2:]


def test_cropping_moves_whole_images_and_flipping_turns_them():
    pixels = torch.arange(1, 10, dtype=torch.uint8).reshape(1, 1, 3, 3).repeat(200, 1, 1, 1)
    crops = {tuple(one.flatten().tolist()) for one in moved(pixels, 1, False, torch.Generator().manual_seed(0))}
    flips = {tuple(one.flatten().tolist()) for one in moved(pixels, 0, True, torch.Generator().manual_seed(0))}

    assert len(crops) == 9
    assert (5, 6, 0, 8, 9, 0, 0, 0, 0) in crops
    assert flips == {(1, 2, 3, 4, 5, 6, 7, 8, 9), (3, 2, 1, 6, 5, 4, 9, 8, 7)}


def test_the_rate_falls_to_a_tenth_after_each_milestone():
    assert [share_of_rate(done, [0.5, 0.75]) for done in (0.0, 0.5, 0.8)] == pytest.approx([1.0, 0.1, 0.01])


def test_a_training_that_diverges_says_so(tmp_path):
    with pytest.raises(HarnessError, match=r"diverged: the loss of step \d+ is (nan|inf); lower task.lr"):
        trained(prepared(tmp_path / "a", steps=30, recipe={"lr": 1e9}))
