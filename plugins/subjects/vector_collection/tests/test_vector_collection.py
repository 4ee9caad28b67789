import numpy as np
import pytest

from harness.api import SourceError, file_digest
from harness.testing import contract
from harness_plugins.subjects.vector_collection.exact import Exact, truth
from harness_plugins.subjects.vector_collection.files import Named, held, read
from harness_plugins.subjects.vector_collection.plugin import VectorCollection, Vectors

test_contract = contract(VectorCollection, Vectors())

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3) + 1


def drawn(count, dimensions=8):
    return np.random.default_rng(count).standard_normal((count, dimensions)).astype(np.float32)


def test_exact_search_is_a_double_loop_in_float64():
    base, queries = drawn(300), drawn(20)
    looped = [
        sorted(range(300), key=lambda one: ((base[one] - query).astype(float) ** 2).sum())[:7] for query in queries
    ]

    assert Exact(base).search(queries, 7).tolist() == looped
    assert truth(base, queries, 7).tolist() == looped


def test_exact_search_by_blocks_finds_the_same(monkeypatch):
    base, queries = drawn(300), drawn(20)
    whole = truth(base, queries, 7).tolist()
    monkeypatch.setattr("harness_plugins.subjects.vector_collection.exact.BLOCK", 450)

    assert Exact(base).search(queries, 7).tolist() == whole
    assert truth(base, queries, 7).tolist() == whole


def written(path, **arrays):
    if path.suffix == ".npy":
        np.save(path, *arrays.values())
    elif path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
    return str(path)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.hdf5"])
def test_a_file_with_one_array_has_queries_held_out_the_same_each_time(tmp_path, name):
    path = written(tmp_path / name, rows=drawn(20))
    named = Named(path, file_digest(tmp_path / name), "euclidean", held_out=5)

    found = held(named)
    assert (len(found.base), len(found.queries)) == (15, 5)
    assert sorted(map(tuple, [*found.base, *found.queries])) == sorted(map(tuple, drawn(20)))
    held.cache_clear()
    assert np.array_equal(held(named).queries, found.queries)


@pytest.mark.parametrize("name", ["a.npz", "a.hdf5"])
def test_train_test_and_neighbors_are_read_as_they_are(tmp_path, name):
    path = written(tmp_path / name, train=ROWS.astype(np.float64), test=ROWS[:1], neighbors=np.array([[0, 1]]))

    found = read(path)
    assert found.base.tolist() == ROWS.tolist()
    assert found.queries.tolist() == [[1, 2, 3]]
    assert found.neighbors.tolist() == [[0, 1]]


def test_angular_vectors_have_length_one(tmp_path):
    path = written(tmp_path / "a.npz", train=ROWS, test=ROWS[:1])

    found = held(Named(path, file_digest(tmp_path / "a.npz"), "angular"))
    assert np.linalg.norm(found.base, axis=1) == pytest.approx(1)
    assert found.queries[0] == pytest.approx(np.array([1, 2, 3]) / 14**0.5)


@pytest.mark.parametrize(
    ("name", "arrays", "says"),
    [
        ("a.npz", {"train": ROWS, "test": ROWS[:, :2]}, "train has 3 dimensions, test 2"),
        ("a.npz", {"one": ROWS, "two": ROWS}, "holds one, two; it must hold train and test, or one array"),
        ("a.npz", {"rows": ROWS * np.nan}, "not finite"),
        ("a.npz", {"rows": ROWS[0]}, r"shape \[3\]; it must be \[vectors, dimensions\]"),
        ("a.npz", {"rows": ROWS > 2}, "holds bool; only numbers"),
        ("a.npz", {"rows": np.array([{}])}, "can't be read"),
        ("a.npz", {"train": ROWS, "test": ROWS[:1], "neighbors": np.array([[9]])}, "neighbors are not those"),
        ("a.hdf5", {"train": ROWS, "test": ROWS[:, :2]}, "train has 3 dimensions, test 2"),
    ],
)
def test_what_can_not_be_searched_is_refused_with_the_files_name(tmp_path, name, arrays, says):
    path = written(tmp_path / name, **arrays)

    with pytest.raises(SourceError, match=says) as refused:
        read(path)
    assert path in str(refused.value)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.hdf5"])
def test_a_truncated_file_is_never_read_as_whole(tmp_path, name):
    path = written(tmp_path / name, rows=drawn(2000))
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])

    with pytest.raises(SourceError, match="may be truncated"):
        read(path)


def test_another_file_than_was_named_is_refused(tmp_path):
    path = written(tmp_path / "a.npy", rows=ROWS)

    with pytest.raises(SourceError, match="has changed"):
        held(Named(path, "0" * 64, "euclidean"))


def test_a_vector_of_zeros_has_no_angle(tmp_path):
    path = written(tmp_path / "a.npz", train=ROWS * 0, test=ROWS[:1])

    with pytest.raises(SourceError, match="a vector of zeros"):
        held(Named(path, file_digest(tmp_path / "a.npz"), "angular"))


def test_a_timed_request_tells_queries_alone_and_all_at_once():
    toy = VectorCollection.toy()
    marks = []
    toy.subject.marker = lambda name: marks.append((name, 1_000_000 * len(marks)))
    toy.subject.respond({**toy.request, "one_by_one": True}, frozenset())

    alone, qps, batched = toy.subject.durations(0, marks, 9_000_000)
    assert alone.metric == "latency_s"
    assert alone.detail["queries"] == 8
    assert qps.value == pytest.approx(1 / alone.value)
    assert (batched.metric, batched.value) == ("batched_qps", 8000.0)  # 8 in the millisecond between two marks
