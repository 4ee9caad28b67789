import pytest
import torch

from harness.api import IncompatibleError
from harness.testing import contract
from harness_plugins.quantization.hqq import plugin
from harness_plugins.quantization.hqq.plugin import HQQ
from harness_plugins.subjects.causal_lm.packed import round_to_nearest

pytest.importorskip("hqq", reason="the package hqq is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

test_contract = contract(HQQ(group=32), HQQ(bits=3, group=24))


def weights():
    return torch.randn(24, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_its_codes_stand_for_what_the_package_gives(bits):
    from hqq.core.quantize import Quantizer

    theirs, meta = Quantizer.quantize(
        weights(), nbits=bits, group_size=32, axis=1, device="cpu", compute_dtype=torch.float32
    )
    meta["compute_dtype"] = torch.float32
    found = HQQ(bits=bits, group=32).codes(weights())

    assert found.scale.dtype == found.zero.dtype == torch.float16
    step = float(meta["scale"].max())
    torch.testing.assert_close(found.dense().float(), Quantizer.dequantize(theirs, meta), atol=step * 0.1, rtol=0)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_its_mean_error_is_no_larger_than_round_to_nearest_s(bits):
    def error(codes):
        return float((codes.dense().float() - weights()).abs().mean())

    assert error(HQQ(bits=bits, group=32).codes(weights())) <= error(
        round_to_nearest(weights(), bits, 32, symmetric=False)
    )


def test_a_group_that_divides_no_row_leaves_a_shorter_one():
    found = HQQ(bits=4, group=48).codes(weights())

    assert found.scale.shape == (24, 2)
    assert float((found.dense().float() - weights()).abs().max()) < 0.5


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(plugin, "find_spec", lambda name: None)
    with pytest.raises(IncompatibleError, match=r"which is not installed; DISABLE_CUDA=1 pip install"):
        HQQ().check({})
