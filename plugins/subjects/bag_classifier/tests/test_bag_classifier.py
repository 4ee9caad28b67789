import math
from collections import defaultdict

import pytest
import torch
from safetensors.torch import load_file

from harness.api import Preparation
from harness.testing import contract
from harness_plugins.mil.abmil.plugin import ABMIL
from harness_plugins.mil.max_pool.plugin import MaxPool
from harness_plugins.mil.mean_pool.plugin import MeanPool
from harness_plugins.models.bag_mlp.plugin import BagMLP
from harness_plugins.subjects.bag_classifier import training
from harness_plugins.subjects.bag_classifier.network import Network
from harness_plugins.subjects.bag_classifier.plugin import BagClassifier
from harness_plugins.tasks.mil.plugin import MIL

test_contract = contract(BagClassifier, MeanPool(), MaxPool(), ABMIL(gated=False), ABMIL(), BagMLP(), MIL())


def trained(folder, progress, spent):
    """A training of two folds, both of two epochs, into `folder`."""
    toy = BagClassifier.toy()
    (folder / "scratch").mkdir(parents=True, exist_ok=True)
    (folder / "made").mkdir(exist_ok=True)
    preparation = Preparation(
        toy.subject, 3, folder / "made", {}, toy.training, progress, scratch=folder / "scratch", spent=lambda: spent
    )
    ABMIL().prepare(preparation)
    return preparation


def alone(preparation, name, order_of):
    """The same training, plainly: one fold, one network, one bag at a time."""
    plan, subject = preparation.training, preparation.subject
    mine, found = plan["folds"][name]["train"], training.Bags(plan["bags"], "cpu")
    torch.manual_seed(training.seed_of(preparation, name))
    network = Network(subject, ABMIL(), 5, 2)
    network.mean[:], network.std[:] = found.spread(mine)
    optimizer = torch.optim.AdamW(network.parameters(), plan["learning_rate"], weight_decay=plan["weight_decay"])
    torch.manual_seed(training.seed_of(preparation, order_of))
    numbers = range(len(plan["bags"]))
    order = [one for _ in range(plan["epochs"]) for one in torch.randperm(len(numbers)).tolist()]
    for step, number in enumerate(order):
        if number in mine:
            optimizer.param_groups[0]["lr"] = plan["learning_rate"] * 0.5 * (1 + math.cos(math.pi * step / len(order)))
            optimizer.zero_grad()
            ABMIL().loss(network(found[number]), torch.tensor([plan["bags"][number]["label"]])).backward()
            optimizer.step()
    return network.state_dict()


def test_folds_trained_side_by_side_are_what_each_is_alone(tmp_path):
    preparation = trained(tmp_path, lambda note: None, {})

    for place, name in enumerate(("even", "odd")):
        found, wanted = load_file(tmp_path / f"made/{place}.safetensors"), alone(preparation, name, "even")
        found.pop("head.weigh.bias")  # it moves no attention: its gradient is rounding
        for key, value in found.items():
            torch.testing.assert_close(value, wanted[key], atol=1e-5, rtol=1e-4)


def test_folds_of_other_bags_or_of_large_ones_are_trained_by_themselves():
    folds = {"a": {"train": [0, 1, 2]}, "b": {"train": [7, 8]}, "c": {"train": [0, 1, 3]}}

    def found(numbers):
        return defaultdict(lambda: torch.zeros(numbers // 5, 5))

    assert training.grouped(folds, found(100)) == [["a", "c"], ["b"]]
    assert training.grouped(folds, found(training.NUMBERS)) == [["a"], ["b"], ["c"]]


def test_a_training_that_is_killed_goes_on_with_the_next_fold(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "TOGETHER", 1)
    trained(tmp_path / "whole", lambda note: None, {"s": 1.0})
    told = []

    def killed(note):
        told.append(note)
        if len(told) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "broken", killed, {"s": 5.0})
    again = trained(tmp_path / "broken", told.append, {"s": 9.0})

    assert told == ["fold 1 of 2", "fold 1 of 2", "fold 2 of 2", "fold 2 of 2", "fold 2 of 2"]
    assert again.before == {"s": 5.0}
    for name in ("0.safetensors", "1.safetensors"):
        one, other = (load_file(tmp_path / which / "made" / name) for which in ("whole", "broken"))
        assert all((one[key] == other[key]).all() for key in one)
    assert (tmp_path / "whole/made/folds.json").read_text() == (tmp_path / "broken/made/folds.json").read_text()
