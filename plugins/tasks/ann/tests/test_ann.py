import numpy as np
import pytest

from harness.api import KnobError, SourceError
from harness.testing import contract
from harness_plugins.tasks.ann.plugin import Ann

test_contract = contract(Ann(data="synthetic", points=300, samples=5), Ann(samples=5, metric="angular", k=3))


@pytest.fixture
def line(tmp_path):
    """Vectors at 0, 1, 2 ... 9 on a line, one of them twice; the query stands at 0."""
    places = np.array([[0], [1], [2], [2], [4], [5], [6], [7], [8], [9]], np.float32)
    np.savez(tmp_path / "line.npz", train=places, test=np.zeros((1, 1), np.float32))
    return Ann(vectors=str(tmp_path / "line.npz"), k=3, samples=1)


@pytest.mark.parametrize(
    ("ids", "recall", "id_recall"),
    [
        ([0, 1, 2], 1.0, 1.0),
        ([2, 1, 0], 1.0, 1.0),  # their order does not count
        ([0, 1, 3], 1.0, 2 / 3),  # as near as the third
        ([0, 1, 4], 2 / 3, 2 / 3),
        ([0, 1], 2 / 3, 2 / 3),
        ([0, 4, 5, 1, 2], 1 / 3, 1 / 3),  # more than k: cut
        ([], 0.0, 0.0),
    ],
)
def test_recall_counts_what_is_as_near_as_the_kth(line, ids, recall, id_recall):
    (sample,) = line.make_samples(None, 0)
    assert sample.target[:2] == [0, 1]
    sample.target[2] = 2

    scores = line.score(sample, {"ids": [ids], "distances": 7.0}, None)
    assert [one.value for one in scores] == pytest.approx([recall, id_recall, 7.0])


def test_distances_that_nobody_counted_are_unknown(line):
    (sample,) = line.make_samples(None, 0)
    counted = line.score(sample, {"ids": [[0, 1, 2]], "distances": None}, None)[2]

    assert (counted.value, counted.reason) == (None, "the library does not count them")


def test_a_near_tie_counts_within_epsilon(tmp_path):
    np.savez(tmp_path / "a.npz", train=np.array([[1], [1.0005], [1.002]]), test=np.zeros((1, 1)))
    task = Ann(vectors=str(tmp_path / "a.npz"), k=1, samples=1)
    (sample,) = task.make_samples(None, 0)

    def found(one):
        return task.score(sample, {"ids": [[one]], "distances": None}, None)[0].value

    assert [found(0), found(1), found(2)] == [1.0, 1.0, 0.0]


def test_ann_benchmarks_files_are_read_as_they_are(tmp_path):
    h5py = pytest.importorskip("h5py")
    rows = np.random.default_rng(0).standard_normal((50, 4))
    with h5py.File(tmp_path / "tiny-angular.hdf5", "w") as file:
        file.attrs["distance"] = "angular"
        file["train"], file["test"] = rows[:40].astype(np.float32), rows[40:].astype(np.float32)
        file["neighbors"] = np.tile(np.arange(5, dtype=np.int32), (10, 1))  # theirs, true or not
        file["distances"] = np.zeros((10, 5), np.float32)
    task = Ann(vectors=str(tmp_path / "tiny-angular.hdf5"), k=5, samples=10)

    assert [sample.target for sample in task.make_samples(None, 0)] == [[0, 1, 2, 3, 4]] * 10
    assert task.describe()["vectors"] == "40 of 4 dimensions, angular"
    assert Ann(vectors=task.vectors, k=6, samples=1).make_samples(None, 0)[0].target != [0, 1, 2, 3, 4, 5]


def test_builds_of_every_seed_are_asked_the_same(line):
    assert line.make_samples(None, 0) == line.make_samples(None, 1)


def test_the_digits_are_the_same_everywhere():
    task = Ann()

    (source,) = task.sources()
    assert (source.count, task.describe()["vectors"]) == (1297, "1,297 of 64 dimensions, euclidean")
    assert source.sha256.startswith("7eecdd1f9858")


def test_a_timed_request_asks_as_many_as_it_says_and_wraps_around():
    task = Ann(samples=3, timed_queries=700)
    asked = task.timed(task.make_samples(None, 0)[2])

    assert asked["queries"][:2] == [2, 3]
    assert len(asked["queries"]) == 700
    assert max(asked["queries"]) == 499


@pytest.mark.parametrize(
    ("knobs", "error", "says"),
    [
        ({"vectors": "gone.npy"}, SourceError, "gone.npy is no file"),
        ({"samples": 501}, KnobError, "ann.samples=501, and there are 500 queries"),
        ({"k": 1298}, KnobError, "ann.k=1298, and there are 1297 vectors"),
        ({"held_out": 1797}, SourceError, "too few to hold out 1797"),
    ],
)
def test_what_can_not_be_asked_is_refused_in_a_sentence(knobs, error, says):
    task = Ann(**knobs)

    with pytest.raises(error, match=says):
        task.sources()
