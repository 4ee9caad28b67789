import numpy as np
import pytest

from harness.testing import contract
from harness_plugins.indexes.ivf_pq.plugin import IVFPQ
from harness_plugins.indexes.pq.plugin import PQ

faiss = pytest.importorskip("faiss")
test_contract = contract(IVFPQ(nlist=8, nprobe=2, m=4, bits=4), IVFPQ(nlist=8, nprobe=8, m=4, bits=4, refine=4))

BASE = np.random.default_rng(0).standard_normal((2000, 16)).astype(np.float32)
QUERIES = np.random.default_rng(1).standard_normal((50, 16)).astype(np.float32)


def searched(method, base, queries):
    index = method.construct(base, 0)
    method.adjust(faiss, index)
    return index.search(queries, 10)[1]


def test_with_one_list_it_is_pq_of_what_is_left_of_the_mean():
    mean = BASE.mean(0)
    alone = PQ(m=4, bits=6).construct(BASE - mean, 0).search(QUERIES - mean, 10)[1]
    found = searched(IVFPQ(nlist=1, nprobe=1, m=4, bits=6), BASE, QUERIES)

    same = np.mean([len({*a} & {*b}) / 10 for a, b in zip(alone, found, strict=True)])
    assert same > 0.9  # means differ in their last digits, and so may a centroid


def test_re_ranking_everything_is_exact():
    flat = faiss.IndexFlatL2(16)
    flat.add(BASE)

    found = searched(IVFPQ(nlist=4, nprobe=4, m=4, bits=4, refine=200), BASE, QUERIES)
    assert (found == flat.search(QUERIES, 10)[1]).all()


def test_codes_are_counted_as_scanned():
    method = IVFPQ(nlist=4, nprobe=4, m=4, bits=4)
    index = method.construct(BASE, 0)
    method.adjust(faiss, index)
    faiss.cvar.indexIVF_stats.reset()
    index.search(QUERIES, 10)

    assert method.counted(faiss, index, 50) == {"distances": 2004.0, "code_bytes": 2}
