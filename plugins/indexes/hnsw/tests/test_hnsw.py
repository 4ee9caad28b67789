from importlib.util import find_spec

import numpy as np
import pytest

from harness.api import Evidence
from harness.testing import contract
from harness_plugins.indexes.hnsw.plugin import HNSW
from harness_plugins.subjects.vector_collection.exact import truth

faiss = pytest.importorskip("faiss")
LIBRARIES = [name for name in ("faiss", "hnswlib", "usearch") if find_spec(name)]
test_contract = contract(*(HNSW(library=name) for name in LIBRARIES), HNSW(m=4, ef_construction=20, ef=5))

M, COUNT = 8, 4000


def drawn(count, dimensions, seed=0):
    return np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)


BASE, QUERIES = drawn(COUNT, 8), drawn(100, 8, 1)


def recall(found, base, queries, k=10):
    true = truth(base, queries, k)
    return float(np.mean([len({*a} & {*b}) / k for a, b in zip(true, found, strict=True)]))


def opened(method, base, folder, seed=0):
    evidence = Evidence()
    method.save(method.construct(base, seed), folder / "index")
    return method.open(folder / "index", 1, evidence), evidence


@pytest.fixture(scope="module")
def index():
    return HNSW(m=M).construct(BASE, 3)


def links(index):
    """Of each node and level, as the library lays them out: 2M at the bottom, then M a level."""
    graph = index.hnsw
    assert [graph.cum_nb_neighbors(level) for level in (0, 1, 2)] == [0, 2 * M, 3 * M]
    places, all_of, levels = (faiss.vector_to_array(one) for one in (graph.offsets, graph.neighbors, graph.levels))
    bounds = [0, *(2 * M + level * M for level in range(20))]
    return {
        (node, level): [
            one for one in all_of[places[node] + bounds[level] : places[node] + bounds[level + 1]] if one >= 0
        ]
        for node in range(COUNT)
        for level in range(levels[node])
    }


def test_no_node_has_a_link_to_itself_or_twice(index):
    for (node, _), found in links(index).items():
        assert len(set(found)) == len(found)
        assert node not in found


def test_a_share_of_one_in_m_lies_above_the_bottom(index):
    above = (faiss.vector_to_array(index.hnsw.levels) > 1).mean()

    assert above == pytest.approx(1 / M, abs=3 * (1 / M * (1 - 1 / M) / COUNT) ** 0.5)


def test_the_bottom_can_be_reached_from_the_entry_point(index):
    entry, found = index.hnsw.entry_point, links(index)
    seen, waiting = {entry}, [entry]
    while waiting:
        new = set(found[waiting.pop(), 0]) - seen
        seen |= new
        waiting += new

    assert len(seen) >= 0.999 * COUNT


@pytest.mark.parametrize("library", LIBRARIES)
def test_with_ef_of_every_vector_it_is_exact_and_in_order(library, tmp_path):
    base = BASE[:1000]
    searcher, _ = opened(HNSW(library=library, ef=1000), base, tmp_path)

    assert (searcher.search(QUERIES, 10) == truth(base, QUERIES, 10)).all()
    assert (searcher.search(QUERIES[:1], 10) == truth(base, QUERIES[:1], 10)).all()


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_seed_builds_the_same_again_and_another_seed_another(library, tmp_path):
    def built(seed):
        method = HNSW(library=library, m=4, ef_construction=10)
        method.save(method.construct(BASE[:500], seed), tmp_path / "index")
        return (tmp_path / "index").read_bytes()

    assert built(0) == built(0)
    assert built(0) != built(1)


@pytest.mark.parametrize("library", LIBRARIES)
def test_ef_below_k_is_raised_to_k(library, tmp_path):
    searcher, _ = opened(HNSW(library=library, ef=1), BASE, tmp_path)
    found = searcher.search(QUERIES, 10)

    assert found.shape == (100, 10)
    assert recall(found, BASE, QUERIES) > 0.5


@pytest.mark.parametrize("library", LIBRARIES)
def test_identical_points_end(library, tmp_path):
    searcher, _ = opened(HNSW(library=library), np.ones((300, 8), np.float32), tmp_path)

    assert len({*searcher.search(QUERIES[:1], 10)[0].tolist()}) == 10


def test_recall_rises_with_ef_m_and_ef_construction(tmp_path):
    base, queries = drawn(3000, 24), drawn(100, 24, 1)

    def of(**knobs):
        searcher, _ = opened(HNSW(**{"m": 4, "ef_construction": 40, "ef": 20, **knobs}), base, tmp_path)
        return recall(searcher.search(queries, 10), base, queries)

    plain = of()
    assert of(ef=100) > plain + 0.1
    assert of(m=16) > plain + 0.1
    assert of(ef_construction=4) < plain - 0.02


@pytest.mark.parametrize("library", sorted({"faiss", "usearch"} & {*LIBRARIES}))
def test_far_fewer_distances_are_computed_than_there_are_vectors(library, tmp_path):
    searcher, evidence = opened(HNSW(library=library, ef=40), BASE, tmp_path)
    searcher.search(QUERIES, 10)
    searcher.account(len(QUERIES))

    assert 40 < evidence.take()["distances"] < COUNT / 4


@pytest.mark.skipif("hnswlib" not in LIBRARIES, reason="hnswlib is not installed")
def test_hnswlib_tells_what_it_searches_with(tmp_path):
    searcher, evidence = opened(HNSW(library="hnswlib", m=5, ef=33), BASE, tmp_path)
    searcher.account(1)

    assert evidence.take() == {"ef": 33, "m": 5}
