import numpy as np
import pytest

from harness.stats.frontier import frontier


def test_only_unbeaten_points_are_on_the_frontier():
    accuracy_and_bytes = [(0.9, 100), (0.8, 50), (0.7, 60), (0.9, 120), (0.2, 10)]

    assert frontier(accuracy_and_bytes, [True, False]).tolist() == [True, True, False, False, True]


def test_equal_points_stay_together():
    assert frontier([(1.0, 1.0), (1.0, 1.0), (0.5, 2.0)], [True, False]).tolist() == [True, True, False]


def test_a_point_with_an_unknown_coordinate_is_never_on_it():
    assert frontier([(1.0, np.nan), (0.5, 2.0)], [True, False]).tolist() == [False, True]


def test_no_points_have_no_frontier():
    assert frontier([], [True, False]).tolist() == []


@pytest.mark.parametrize("directions", [2, 3])
def test_it_agrees_with_the_definition_on_random_points(directions):
    points = np.random.default_rng(directions).integers(0, 8, size=(200, directions)).astype(float)
    beaten = [any((other <= point).all() and (other < point).any() for other in points) for point in points]

    assert frontier(points, [False] * directions).tolist() == np.logical_not(beaten).tolist()
