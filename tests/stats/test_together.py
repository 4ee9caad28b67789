import numpy as np
import pytest

from harness.stats.together import compare, estimate, grouped, together

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
        "auroc needs samples of every class, a group has those of 1"
    )
    assert "one has no score" in together("auroc", [TRUTH, np.array([0.1, np.nan, 0.3, 0.4])]).reason
    assert "is not among the statistics auroc" in together("gini", [TRUTH, TRUTH]).reason


@pytest.mark.parametrize("classes", [2, 4])
def test_they_are_scikit_learns(classes):
    from sklearn import metrics

    random = np.random.default_rng(classes)
    truth = random.permutation(np.arange(60) % classes).astype(float)
    told = np.where(random.random(60) < 0.6, truth, random.integers(classes, size=60))
    scores = random.random((60, classes)).round(1)  # with ties
    scores /= scores.sum(1, keepdims=True)

    for name, wanted in (
        ("balanced_accuracy", metrics.balanced_accuracy_score(truth, told)),
        ("macro_f1", metrics.f1_score(truth, told, average="macro")),
        ("quadratic_kappa", metrics.cohen_kappa_score(truth, told, weights="quadratic")),
    ):
        assert together(name, [truth, told]).value == pytest.approx(wanted)
    given = scores[:, 1] if classes == 2 else scores
    wanted = metrics.roc_auc_score(truth, given, multi_class="ovr", average="macro")
    assert together("auroc", [truth, *scores.T]).value == pytest.approx(wanted)


def patients(better, slides=4, count=40):
    """Slides that share a patient share their fate."""
    random = np.random.default_rng(7)
    truth = np.repeat(np.arange(count) % 2, slides).astype(float)
    noise = np.repeat(random.normal(size=count), slides)
    first, second = (np.column_stack([truth * gain + noise]) for gain in (0.5, 0.5 + better))
    return truth, first, second, np.repeat(np.arange(count), slides).tolist()


def test_an_interval_of_patients_does_not_shrink_as_they_get_more_slides():
    def width(slides):
        truth, first, _, who = patients(0.0, slides)
        return estimate(grouped("auroc", truth, [first], [0] * len(truth), who)).interval.half_width

    assert width(4) == pytest.approx(width(1), rel=0.05)


def test_a_bootstrap_of_slides_that_stand_alone_agrees_with_delongs_error():
    truth, first, _, who = patients(0.0, slides=1, count=200)
    found = estimate(grouped("auroc", truth, [first], [0] * 200, who))
    above, below = first[truth == 1, 0], first[truth == 0, 0]
    wins = above[:, None] > below
    error = np.sqrt(wins.mean(1).var(ddof=1) / len(above) + wins.mean(0).var(ddof=1) / len(below))

    assert found.value == pytest.approx(wins.mean())
    assert found.interval.half_width == pytest.approx(1.96 * error, rel=0.1)


def test_two_arms_are_called_different_where_they_are():
    for better, outcome in ((2.0, "better"), (0.0, "undecided")):
        truth, first, second, who = patients(better)
        found = compare(grouped("auroc", truth, [first, second], [0] * len(truth), who))
        assert found.outcome == outcome
        assert found.n == 160
    assert found.differing == 0


def test_strata_count_alike_and_a_patient_in_two_splits_is_drawn_once():
    truth = np.array([0.0, 1, 0, 1, 0, 1])
    right, wrong = np.array([[0.1], [0.9]]), np.array([[0.9], [0.1]])
    of = grouped("auroc", truth, [np.vstack([right, right, wrong])], ["a", "a", "a", "a", "b", "b"], [0, 1, 2, 3, 0, 1])

    assert of.count == 4
    assert estimate(of)[:3] == (0.5 * (1.0 + 0.0), None, 6)


def test_calibration_error_is_the_gap_between_sure_and_right_by_bins_of_confidence():
    """Two answers of 0.9, one right: a gap of 0.4; two of 0.5, both right: 0.5; each bin holds half of them."""
    label, right, confidence = np.zeros(4), np.array([1.0, 0.0, 1.0, 1.0]), np.array([0.9, 0.9, 0.5, 0.5])

    assert together("ece", [label, right, confidence]).value == pytest.approx(0.45)
    assert together("ece", [np.zeros(3), np.ones(3), np.ones(3)]).value == 0.0
