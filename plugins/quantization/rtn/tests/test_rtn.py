from dataclasses import replace

import pytest
import torch

from harness.api import IncompatibleError
from harness.testing import contract, toy_of
from harness_plugins.quantization.rtn.plugin import RoundToNearest
from harness_plugins.subjects.causal_lm.packed import PackedLinear, pack, round_to_nearest, unpack

test_contract = contract(RoundToNearest(), RoundToNearest(bits=8, group=0, symmetric=True), RoundToNearest(bits=3))


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_packing_loses_nothing_and_fills_every_byte(bits):
    codes = torch.randint(0, 2**bits, (3, 16), dtype=torch.uint8)
    planes = pack(codes, bits)

    assert torch.equal(unpack(planes, bits, 16), codes)
    assert sum(plane.nbytes for plane in planes) == 3 * 16 * bits / 8


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_rows_that_fill_no_whole_byte_come_back(bits):
    codes = torch.randint(0, 2**bits, (2, 13), dtype=torch.uint8)

    assert torch.equal(unpack(pack(codes, bits), bits, 13), codes)


def test_the_asymmetric_grid_of_a_group():
    found = round_to_nearest(torch.tensor([[-1.0, 0.0, 0.4, 2.0]]), bits=2, group=4, symmetric=False)

    assert found.scale.tolist() == [[1.0]]  # (2 − −1) / 3
    assert found.zero.tolist() == [[1.0]]
    assert found.codes.tolist() == [[0, 1, 1, 3]]
    assert found.dense().tolist() == [[-1.0, 0.0, 0.0, 2.0]]


def test_the_symmetric_grid_of_a_group():
    found = round_to_nearest(torch.tensor([[-7.0, 3.4, 0.0, 1.0]]), bits=4, group=4, symmetric=True)

    assert found.scale.tolist() == [[1.0]]  # 7 / 7
    assert found.dense().tolist() == [[-7.0, 3.0, 0.0, 1.0]]


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize(("bits", "group"), [(8, 0), (4, 16), (4, 24), (3, 16), (2, 40)])
def test_no_weight_is_off_by_more_than_half_a_step(bits, group, symmetric):
    weight = torch.randn(6, 40, generator=torch.Generator().manual_seed(0))
    found = round_to_nearest(weight, bits, group, symmetric)
    steps = found.scale.float().repeat_interleave(found.group, 1)[:, :40]
    off = (
        found._replace(scale=found.scale.float(), zero=None if symmetric else found.zero.float()).dense() - weight
    ).abs()

    # A zero between two codes is rounded, which moves the ends of the range by half a step; 16-bit scales, by less.
    assert float((off / steps).max()) <= (0.51 if symmetric else 1.01)


def test_it_agrees_with_torchs_own_quantizer():
    weight = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    found = round_to_nearest(weight, 8, 0, symmetric=True)
    scale = found.scale.float().squeeze(1)
    theirs = torch.fake_quantize_per_channel_affine(weight, scale, torch.zeros(4, dtype=torch.int32), 0, -128, 127)

    torch.testing.assert_close(found._replace(scale=found.scale.float()).dense(), theirs)


@pytest.mark.parametrize(("bits", "group", "symmetric"), [(4, 16, False), (8, 0, True), (3, 24, False), (2, 24, True)])
def test_the_packed_layer_computes_with_the_weights_its_codes_stand_for(bits, group, symmetric):
    linear = torch.nn.Linear(64, 10)
    codes = round_to_nearest(linear.weight.detach(), bits, group, symmetric)
    layer = PackedLinear(codes, linear.bias, torch.float32)
    x = torch.randn(2, 3, 64)
    dense = codes._replace(scale=codes.scale.float(), zero=None if codes.zero is None else codes.zero.float()).dense()

    torch.testing.assert_close(layer(x), torch.nn.functional.linear(x, dense, linear.bias))


def test_evidence_is_counted_in_what_is_stored():
    toy = toy_of("causal-lm")
    with RoundToNearest(group=32).apply(toy.subject) as evidence:
        packed = [one for one in toy.subject.model.modules() if isinstance(one, PackedLinear)]
        found = evidence.take()
        stored = sum(buffer.nbytes for one in packed for buffer in one.buffers())
        linears = [one for one in toy.subject.model.modules() if type(one) is torch.nn.Linear]

        assert len(packed) == 4 * 7
        assert linears == [toy.subject.model.lm_head]
        assert found == {
            "bits": 4 + 32 / 32,
            "packed_bytes": stored,
            "weights": 4 * (2 * 32 * 32 + 2 * 16 * 32 + 3 * 64 * 32),
        }


def test_eight_bits_answer_nearly_as_the_model_does_and_two_do_not():
    toy = toy_of("causal-lm")
    ids = torch.tensor([toy.request["context"]])

    def logits(method=None):
        with torch.no_grad():
            if method is None:
                return toy.subject.model(ids, use_cache=False).logits
            with method.apply(toy.subject):
                return toy.subject.model(ids, use_cache=False).logits

    exact = logits()
    off = {
        bits: float((logits(RoundToNearest(bits=bits, group=32)) - exact).norm() / exact.norm()) for bits in (8, 4, 2)
    }

    assert off[8] < 0.1 < off[4] < off[2]


def test_a_model_that_was_quantized_before_is_named_in_a_note():
    assert RoundToNearest().notes({}) == []
    (note,) = RoundToNearest().notes({"stored_bits": 4, "stored_block": 32})
    assert "come from 4-bit blocks of 32" in note


@pytest.mark.parametrize(
    ("method", "fit"),
    [
        (RoundToNearest(), True),
        (RoundToNearest(group=32), False),
        (RoundToNearest(group=16), False),
        (RoundToNearest(group=32, symmetric=True), True),
        (RoundToNearest(group=32, bits=3), True),
        (RoundToNearest(group=0), True),
    ],
)
def test_no_claim_is_settled_by_finding_a_model_s_blocks_again(method, fit):
    assert (method.unfit({"stored_bits": 4, "stored_block": 32}) is None) == fit
    assert method.unfit({}) is None


def test_a_model_without_linear_layers_is_refused():
    toy = toy_of("causal-lm")
    with pytest.raises(IncompatibleError, match=r"has no torch.nn.Linear"):
        with RoundToNearest().apply(toy.subject), RoundToNearest().apply(toy.subject):
            pass


def test_it_settles_nothing_by_finding_a_model_s_own_blocks_again():
    blocks = torch.randint(0, 16, (8, 64), generator=torch.Generator().manual_seed(0)).float()
    blocks[:, ::32], blocks[:, 1::32] = 0, 15  # each block of 32 uses its whole range
    weight = (blocks - 6) * 0.03125

    assert torch.equal(round_to_nearest(weight, 4, 32, symmetric=False).dense().float(), weight)
    assert replace(RoundToNearest()).group == 64
