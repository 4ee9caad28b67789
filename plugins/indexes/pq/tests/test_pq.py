import numpy as np
import pytest

from harness.api import IncompatibleError
from harness.testing import contract
from harness_plugins.indexes.pq.plugin import PQ
from harness_plugins.subjects.vector_collection.index import parts

faiss = pytest.importorskip("faiss")
test_contract = contract(PQ(m=4, bits=4), PQ(m=16, bits=6))

BASE = np.random.default_rng(0).standard_normal((2000, 16)).astype(np.float32)
QUERIES = np.random.default_rng(1).standard_normal((20, 16)).astype(np.float32)


def test_the_distance_is_that_to_the_decoded_code():
    index = PQ(m=4, bits=6).construct(BASE, 0)
    found, ids = index.search(QUERIES, 5)
    decoded = index.reconstruct_n(0, 2000)[ids]

    assert found == pytest.approx(((decoded - QUERIES[:, None]) ** 2).sum(-1), rel=1e-4)


def test_centroids_for_every_value_lose_nothing():
    base = np.repeat(np.arange(4, dtype=np.float32)[:, None], 4, axis=1)
    index = PQ(m=4, bits=4).construct(np.tile(base, (100, 1)), 0)

    assert index.reconstruct_n(0, 4) == pytest.approx(base, rel=2e-3)  # the library shifts doubled centroids by 1/1024


def test_more_sub_vectors_lose_less():
    def error(m):
        index = PQ(m=m, bits=6).construct(BASE, 0)
        return ((index.reconstruct_n(0, 2000) - BASE) ** 2).sum(1).mean()

    losses = [error(m) for m in (1, 2, 4, 8, 16)]
    assert losses == sorted(losses, reverse=True)


def test_a_code_takes_m_times_bits():
    index = PQ(m=4, bits=6).construct(BASE, 0)

    assert PQ(m=4, bits=6).counted(faiss, index, 1) == {"distances": 2000, "code_bytes": 3}


def test_sub_vectors_divide_the_dimensions():
    assert [parts(None, dimensions) for dimensions in (384, 64, 100, 5)] == [48, 8, 10, 1]
    with pytest.raises(IncompatibleError, match="m=5 does not divide the 16 dimensions"):
        PQ(m=5).construct(BASE, 0)


def test_more_centroids_than_vectors_are_refused():
    with pytest.raises(IncompatibleError, match="bits=8 takes 256 centroids, and there are 100 vectors"):
        PQ().construct(BASE[:100], 0)
