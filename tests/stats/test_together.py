import numpy as np
import pytest

from harness.stats.together import together

TRUTH = np.array([0.0, 0.0, 1.0, 1.0])


def test_auroc_counts_pairs_in_the_right_order_and_ties_half():
    assert together("auroc", [TRUTH, np.array([0.1, 0.4, 0.35, 0.8])]).value == 0.75
    assert together("auroc", [TRUTH, np.full(4, 0.5)]).value == 0.5


def test_auroc_of_three_classes_is_the_mean_of_each_against_the_rest():
    truth = np.array([0.0, 1.0, 2.0, 2.0])
    scores = [np.array(one) for one in ([0.8, 0.1, 0.1, 0.3], [0.1, 0.6, 0.5, 0.7], [0.1, 0.3, 0.4, 0.0])]

    assert together("auroc", [truth, *scores]).value == pytest.approx((1 + 2 / 3 + 2 / 4) / 3)


def test_what_can_not_be_told_says_why():
    assert together("auroc", [TRUTH[:2], TRUTH[:2]]).reason == (
        "AUROC needs samples of all 2 classes, a group has those of 1"
    )
    assert "one has no score" in together("auroc", [TRUTH, np.array([0.1, np.nan, 0.3, 0.4])]).reason
    assert "is not among the statistics auroc" in together("gini", [TRUTH, TRUTH]).reason
