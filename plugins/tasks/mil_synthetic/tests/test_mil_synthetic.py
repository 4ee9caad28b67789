import numpy as np
import pytest

from harness.api import KnobError
from harness.testing import contract
from harness_plugins.subjects.bag_classifier import bags
from harness_plugins.tasks.mil_synthetic.plugin import MILSynthetic

TASK = MILSynthetic(instances=40, features=8, rare=0.25, bags=4, samples=6)

test_contract = contract(TASK, MILSynthetic(instances=40, features=8, bags=4, samples=6, timed_instances=50))


def test_positive_bags_hold_two_clusters_and_others_none():
    for sample in TASK.make_samples(None, 0):
        bag = bags.read(sample.request["file"])
        assert bag.shape == (40, 8)
        assert [len(one) for one in sample.target["clusters"]] == ([5, 5] if sample.target["label"] else [])


def test_the_clusters_lie_where_they_are_said_to():
    task = MILSynthetic(instances=400, features=8, rare=0.5, distance=6.0, bags=2, samples=2)
    sample = task.make_samples(None, 1)[1]
    bag = bags.read(sample.request["file"])

    for cluster in sample.target["clusters"]:
        assert np.linalg.norm(bag[cluster].mean(0)) == pytest.approx(6.0, abs=0.6)
    rest = sorted(set(range(400)) - {one for cluster in sample.target["clusters"] for one in cluster})
    assert np.linalg.norm(bag[rest].mean(0)) < 0.6


def test_clusters_are_found_where_an_instance_of_each_is_attended_to():
    sample = TASK.make_samples(None, 0)[1]
    first, second = sample.target["clusters"]
    attention = np.full(40, 0.005)
    attention[first] = 0.1
    attention[second[:3]] = 0.1

    def scores():
        output = {"probabilities": [0.3, 0.7], "attention": attention.tolist()}
        return {one.metric: one.value for one in TASK.score(sample, output, None)}

    assert scores()["recall"] == pytest.approx((1 + 0.6) / 2)
    assert scores()["both_found"] == 1.0
    attention[second] = 0.005
    assert scores()["both_found"] == 0.0
    assert scores()["top10_mass"] == pytest.approx(5 * 0.1 + 5 * 0.005)


def test_a_timed_bag_has_the_size_asked_for():
    task = MILSynthetic(instances=40, features=8, bags=4, samples=6, timed_instances=500)
    request = task.timed(task.make_samples(None, 0)[0])

    assert bags.read(request["file"], request["rows"], request["sha256"]).shape == (500, 8)
    assert request["attention"] is False


def test_two_clusters_need_two_instances():
    with pytest.raises(KnobError, match=r"rare=0.001 of 200 instances is 0; two clusters need two"):
        MILSynthetic(rare=0.001)
