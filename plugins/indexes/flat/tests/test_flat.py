import pytest

from harness.testing import contract
from harness_plugins.indexes.flat.plugin import Flat

pytest.importorskip("faiss")
test_contract = contract(Flat())
