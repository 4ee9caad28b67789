import numpy as np
import pytest

from harness.api import IncompatibleError
from harness.testing import contract
from harness_plugins.indexes.ivf.plugin import IVF

faiss = pytest.importorskip("faiss")
test_contract = contract(IVF(nlist=8, nprobe=2), IVF(nlist=8, nprobe=8))

BASE = np.random.default_rng(0).standard_normal((2000, 8)).astype(np.float32)
QUERIES = np.random.default_rng(1).standard_normal((50, 8)).astype(np.float32)


@pytest.fixture
def index():
    return IVF(nlist=20).construct(BASE, 0)


def test_every_id_lies_in_exactly_one_list(index):
    lists = [faiss.rev_swig_ptr(index.invlists.get_ids(n), index.invlists.list_size(n)).tolist() for n in range(20)]

    assert sorted(one for members in lists for one in members) == list(range(2000))


def test_with_every_list_probed_it_is_exact_and_no_query_loses_by_probing_more(index):
    flat = faiss.IndexFlatL2(8)
    flat.add(BASE)
    true = flat.search(QUERIES, 10)[1]
    recalls = []
    for nprobe in (1, 2, 5, 10, 20):
        index.nprobe = nprobe
        found = index.search(QUERIES, 10)[1]
        recalls.append([len({*a} & {*b}) / 10 for a, b in zip(true, found, strict=True)])

    assert (found == true).all()
    assert (np.diff(recalls, axis=0) >= 0).all()


def test_distances_counted_are_centroids_and_vectors_scanned(index):
    method = IVF(nlist=20, nprobe=20)
    method.adjust(faiss, index)
    faiss.cvar.indexIVF_stats.reset()
    index.search(QUERIES, 10)

    assert method.counted(faiss, index, 50) == {"distances": 2020.0}


def test_more_lists_than_vectors_are_refused():
    with pytest.raises(IncompatibleError, match="nlist=3000 takes 3000 centroids, and there are 2000 vectors"):
        IVF(nlist=3000).construct(BASE, 0)
