"""What the harness adds to evaluating and training an image classifier, over the same work in a bare loop of torch with
same images in the same order: `make bench` prints the ratios.
"""

from __future__ import annotations

import os
import statistics
import time
from copy import deepcopy

import numpy as np
import pytest
import torch

from harness.engine.arm import RunArm
from harness.engine.worker import build_stack
from harness.plugin.contracts import Preparation
from harness.plugin.discovery import load
from harness.spec.records import Sample
from harness_plugins.subjects.image_classifier.resnet import ResNet
from harness_plugins.subjects.image_classifier.subject import LoadedImageClassifier
from harness_plugins.subjects.image_classifier.task import Images, ImageTask, kept
from harness_plugins.subjects.image_classifier.training import Data, share_of_rate

pytestmark = pytest.mark.timeout(3600)
THREADS = int(os.environ.get("HARNESS_BENCH_THREADS", len(os.sched_getaffinity(0))))
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
EVALUATED, TRAINED, BATCH = 200, 1536, 128


class Drawn(ImageTask):
    """Images of noise, as many as there are photographs in CIFAR-10's form."""

    name = "drawn"
    classes = tuple("0123456789")

    def test_images(self) -> Images:
        return drawn(EVALUATED)


def drawn(count):
    from harness.api import Source

    numbers = np.random.default_rng(0)
    pixels = numbers.integers(0, 256, (count, 32, 32, 3), np.uint8)
    return Images(pixels, [number % 10 for number in range(count)], Source("noise", count, None))


@pytest.fixture
def subject():
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    return LoadedImageClassifier(ResNet(20, 10), MEAN, STD, "cpu", lambda: ResNet(20, 10))


def ratio_of(benchmark, ours, theirs, rounds):
    """Of medians of alternating rounds."""
    times = {ours: [], theirs: []}

    def round_of_both():
        for which, taken in times.items():
            started = time.perf_counter()
            which()
            taken.append(time.perf_counter() - started)

    benchmark.pedantic(round_of_both, rounds=rounds, warmup_rounds=1)
    mine, bare = (statistics.median(times[which][1:]) for which in (ours, theirs))
    benchmark.extra_info["ratio"] = round(mine / bare, 3)
    return mine / bare


def test_evaluation_against_a_bare_torch_loop(benchmark, subject):
    """Both from stored pixels to logits as numbers and whether they are right, an image at a time."""
    task, images = Drawn(samples=EVALUATED), drawn(EVALUATED)
    samples: list[Sample] = list(task.make_samples(None, 0))
    arm = RunArm(1, build_stack(load(), [{"name": "identity", "knobs": {}}]), lambda *event, **facts: None)
    order = [int(sample.prompt.rpartition(" ")[2]) for sample in samples]
    mean, std = (torch.tensor(one).view(1, -1, 1, 1) for one in (MEAN, STD))
    found = {}

    def ours():
        found["ours"] = []
        for sample in samples:
            ((_, response),) = subject.answer(sample.request, [arm])
            found["ours"].append(task.score(sample, response.output, None)[0].value)

    @torch.inference_mode()
    def theirs():
        found["theirs"] = []
        for index in order:
            image = torch.from_numpy(images.pixels[index]).permute(2, 0, 1)[None].float() / 255
            logits = subject.network((image - mean) / std)[0].tolist()
            found["theirs"].append(float(np.argmax(logits) == images.labels[index]))

    ratio = ratio_of(benchmark, ours, theirs, rounds=9)
    assert found["ours"] == found["theirs"]
    print(f"\nevaluation / bare torch loop: {ratio:.3f} (aim: at most 1.05)")


def test_an_epoch_of_training_against_a_bare_torch_loop(benchmark, subject, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    recipe = {"steps": TRAINED // BATCH, "batch": BATCH, "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
    recipe |= {"milestones": [0.5, 0.75], "crop": 4, "flip": True}
    training = {"images": kept(drawn(TRAINED)), "recipe": recipe}
    start, found = subject.new(0), {}

    def ours():
        network = deepcopy(start)
        subject.fit(network, Preparation(subject, 0, tmp_path, {}, training=training))
        found["ours"] = network.state_dict()

    def theirs():
        network = deepcopy(start).train()
        data = Data(training["images"], subject.mean, subject.std, "cpu")
        optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
        for step in range(recipe["steps"]):
            for group in optimiser.param_groups:
                group["lr"] = 0.1 * share_of_rate(step / recipe["steps"], recipe["milestones"])
            images, labels = data.batch(recipe, 0, step)
            loss = torch.nn.functional.cross_entropy(network(images), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        found["theirs"] = network.state_dict()

    ratio = ratio_of(benchmark, ours, theirs, rounds=3)
    assert all(torch.equal(found["ours"][name], one) for name, one in found["theirs"].items())
    print(f"\na training epoch / bare torch loop: {ratio:.3f} (aim: at most 1.05)")
