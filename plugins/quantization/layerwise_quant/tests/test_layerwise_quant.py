import json
from dataclasses import replace

import pytest
import torch

from harness.api import KnobError, Preparation
from harness.testing import answered, contract, toy_of
from harness_plugins.quantization.layerwise_quant.algorithm import (
    input_modification,
    large_weights,
    least,
    share_above,
    without_looking,
)
from harness_plugins.quantization.layerwise_quant.plugin import LayerwiseQuant
from harness_plugins.quantization.rtn.plugin import RoundToNearest
from harness_plugins.subjects.causal_lm.packed import PackedLinear
from harness_plugins.subjects.causal_lm.toy import make

SMALL = LayerwiseQuant(group=32, calibration_texts=2, calibration_tokens=24)

test_contract = contract(SMALL, replace(SMALL, score="zd", reverse=True), replace(SMALL, score="random"))


@pytest.mark.parametrize(("share", "bits"), [(0.0, 8), (1.0, 4)])
def test_at_the_ends_it_is_the_base_bit_for_bit(share, bits):
    toy = toy_of("causal-lm")
    mixed = answered(replace(SMALL, low_share=share), toy)
    uniform = answered(RoundToNearest(bits=bits, group=32), toy)

    assert mixed.response.output == uniform.response.output
    assert {name: mixed.evidence[name] for name in uniform.evidence} == uniform.evidence


@pytest.mark.parametrize(("share", "low", "bits"), [(0.25, 1, 7), (0.5, 2, 6), (0.75, 3, 5)])
def test_bits_and_bytes_are_what_the_share_says(share, low, bits):
    evidence = answered(replace(SMALL, low_share=share), toy_of("causal-lm")).evidence

    assert evidence["low_blocks"] == low
    assert evidence["bits"] == bits + 32 / 32
    assert evidence["packed_bytes"] == evidence["weights"] * evidence["bits"] / 8
    assert replace(SMALL, low_share=share).nominal() == {"bits": bits}


def test_the_least_important_blocks_get_the_low_bits(tmp_path):
    subject = toy_of("causal-lm").subject
    (tmp_path / "importance.json").write_text("[3, 1, 2, 4]")

    def bits_of(method):
        with method.apply(subject, tmp_path):
            blocks = subject.model.model.layers
            return [{one.bits for one in block.modules() if isinstance(one, PackedLinear)} for block in blocks]

    assert bits_of(SMALL) == [{8}, {4}, {4}, {8}]
    assert bits_of(replace(SMALL, reverse=True)) == [{4}, {8}, {8}, {4}]


def test_a_block_that_adds_nothing_has_the_lowest_lim():
    subject = make().subject  # one of its own, as it is written into
    block = subject.model.model.layers[2]
    block.self_attn.o_proj.weight.data.zero_()
    block.mlp.down_proj.weight.data.zero_()

    found = input_modification(subject, [list(range(3, 40)), list(range(40, 60))], lambda: None)

    assert found[2] == pytest.approx(-1, abs=1e-9)
    assert all(-1 <= one <= 1 for one in found)
    assert least(found, 0.25) == {2}


def test_zd_of_gaussian_weights_is_the_tail_of_the_gaussian():
    weights = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0)) * 3 + 5

    assert share_above(weights) == pytest.approx(0.1587, abs=0.001)
    assert len(large_weights(toy_of("causal-lm").subject)) == 4


def test_fewer_large_weights_are_more_important_unless_told_otherwise(tmp_path):
    subject = toy_of("causal-lm").subject
    share = large_weights(subject)
    for sign, best in (("fewer", min(share)), ("more", max(share))):
        method = replace(SMALL, score="zd", zd_sign=sign)
        method.prepare(Preparation(subject, 0, tmp_path, {}))
        importance = json.loads((tmp_path / "importance.json").read_text())
        assert share[importance.index(max(importance))] == best


def test_of_equal_blocks_the_later_go_first_and_an_order_is_a_permutation():
    assert least([0.0] * 4, 0.5) == {2, 3}
    assert least(without_looking("first", 4, 0), 0.5) == {2, 3}
    assert least(without_looking("last", 4, 0), 0.5) == {0, 1}
    drawn = [without_looking("random", 30, draw) for draw in range(5)]
    assert all(sorted(one) == list(map(float, range(30))) for one in drawn)
    assert len({tuple(one) for one in drawn}) == 5


def test_what_does_not_fit_is_an_error_with_a_remedy():
    with pytest.raises(KnobError, match="low_bits must be below high_bits, got 4 and 4; change one"):
        LayerwiseQuant(high_bits=4)
    with pytest.raises(KnobError, match=r"no weight quantizer 'rtm' that takes bits and group; choose .*rtn"):
        LayerwiseQuant(base="rtm").parts()


def test_its_code_is_its_base_s_too():
    assert [type(one) for one in LayerwiseQuant().parts()] == [RoundToNearest, RoundToNearest]
