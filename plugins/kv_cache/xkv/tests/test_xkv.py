from dataclasses import replace

import pytest
import torch

from harness.api import IncompatibleError, KnobError
from harness.testing import contract, toy_of
from harness.testing.contract import answered
from harness_plugins.kv_cache.xkv.algorithm import factorise, rank_for
from harness_plugins.kv_cache.xkv.plugin import XKV

SMALL = XKV(group_size=2, compression_ratio=0.5)
test_contract = contract(SMALL, XKV(group_size=1, rank_k=3, rank_v=5), XKV(group_size=2, rank_k=4, rank_v=4))


def low_rank(tokens, channels, rank, seed=0):
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(tokens, rank, generator=generator)
    return left @ torch.randn(rank, channels, generator=generator)


@pytest.mark.parametrize(("tokens", "channels"), [(40, 24), (24, 40)])
def test_the_gram_matrix_gives_the_truncated_svd(tokens, channels):
    matrix = torch.randn(tokens, channels, generator=torch.Generator().manual_seed(0))
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)

    for rank in (1, 7, 24):
        factors = factorise(matrix, rank)
        assert torch.allclose(factors.tokens @ factors.channels, u[:, :rank] * s[:rank] @ vh[:rank], atol=1e-4)


def test_the_error_is_the_root_of_the_squared_singular_values_left_out():
    matrix = torch.randn(40, 24, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(matrix)
    errors = [float((matrix - torch.matmul(*factorise(matrix, rank))).norm()) for rank in (1, 5, 12, 20)]

    assert errors == pytest.approx([float(values[rank:].square().sum().sqrt()) for rank in (1, 5, 12, 20)], rel=1e-4)
    assert errors == sorted(errors, reverse=True)


def test_layers_that_share_a_token_side_are_rebuilt_exactly_together_and_not_apart():
    shared = low_rank(64, 4, 4)
    layers = [shared @ torch.randn(4, 16, generator=torch.Generator().manual_seed(seed)) for seed in range(4)]
    together = factorise(torch.cat(layers, dim=1), 4)
    apart = factorise(layers[0], 1)

    assert torch.allclose(together.tokens @ together.channels, torch.cat(layers, dim=1), atol=1e-3)
    assert (apart.tokens @ apart.channels - layers[0]).norm() > 0.1 * layers[0].norm()


def test_the_rank_is_the_largest_that_saves_the_ratio_with_its_basis():
    # 0.25 · 960 · 1152 / (960 + 1152) = 130.9
    assert rank_for(0.75, 960, 1152) == 130
    assert rank_for(0.0, 100, 100) == 50
    assert rank_for(0.9, 8, 8) == 0


def test_bytes_are_those_of_the_formula_and_meet_the_ratio():
    observed = answered(SMALL, toy_of("causal-lm")).response.observed
    tokens, channels, rank = 96, 2 * 2 * 8, rank_for(0.5, 96, 32)

    assert observed["full_bytes"] == 2 * 2 * tokens * channels * 4  # of two groups
    assert observed["resident_bytes"] == 2 * 2 * (tokens * rank + rank * channels) * 4
    assert observed["resident_bytes"] <= 0.5 * observed["full_bytes"]


def test_the_full_rank_rebuilds_the_cache():
    toy = toy_of("causal-lm")
    seen = {}

    def look(name):
        return lambda cache: seen.__setitem__(name, [layer.storage.read() for layer in cache.layers])

    with toy.subject.at("after_prefill", look("before")), XKV(group_size=2, rank_k=999, rank_v=999).apply(toy.subject):
        with toy.subject.at("after_prefill", look("after")):
            toy.subject.respond(toy.request, frozenset())

    for before, after in zip(seen["before"], seen["after"], strict=True):
        assert torch.allclose(before[0], after[0], atol=1e-4)
        assert torch.allclose(before[1], after[1], atol=1e-4)


def test_prefill_is_exact_at_every_rank():
    toy = toy_of("causal-lm")
    asked = toy.request | {"context": toy.request["context"], "question": [], "new_tokens": 1}
    with SMALL.apply(toy.subject):
        compressed = toy.subject.respond(asked, frozenset())

    assert compressed.output == toy.subject.respond(asked, frozenset()).output


def test_layers_outside_the_range_stay_exact():
    evidence = answered(XKV(group_size=1, rank_k=2, rank_v=2, start_layer=1), toy_of("causal-lm"))
    observed = evidence.response.observed

    assert observed["full_bytes"] / 4 < observed["resident_bytes"] < observed["full_bytes"] / 2


def test_a_context_too_short_for_the_ratio_is_refused():
    with pytest.raises(KnobError, match="even rank 1 takes more"):
        answered(replace(SMALL, compression_ratio=0.99), toy_of("causal-lm"))


def test_one_rank_alone_is_refused():
    with pytest.raises(KnobError, match="both rank_k and rank_v"):
        XKV(rank_k=4)


def test_a_group_larger_than_the_model_is_refused_before_anything_is_loaded():
    with pytest.raises(IncompatibleError, match="group_size is 6, but the model has 4 layers"):
        XKV().check({"layers": 4, "rotary": True})
