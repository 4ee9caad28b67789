import pytest
import torch
from torch.distributions import MultivariateNormal

from harness.api import IncompatibleError, KnobError
from harness.testing import contract, toy_of
from harness.testing.contract import answered
from harness_plugins.kv_cache.expected_attention.algorithm import moments, scores
from harness_plugins.kv_cache.expected_attention.plugin import ExpectedAttention, QueryMoments

test_contract = contract(
    ExpectedAttention(), ExpectedAttention(compression_ratio=0.8, covariance=False, value_norm=False, sinks=0)
)


def gaussian(heads, size, seed):
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(heads, size, size, generator=generator) * 0.4
    return torch.randn(heads, size, generator=generator), root @ root.transpose(1, 2) + 0.01 * torch.eye(size)


def test_scores_are_the_mean_over_queries_drawn_from_the_gaussian():
    (mean, covariance), scaling = gaussian(heads=1, size=4, seed=0), 0.5
    keys = torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    queries = MultivariateNormal(mean[0], covariance[0]).sample((400_000,))
    drawn = (queries @ keys[0].T * scaling).exp().mean(0)

    assert torch.allclose(scores(mean, covariance, keys, None, scaling, 0.0)[0], drawn / drawn.sum(), rtol=0.02)


def test_query_heads_of_a_group_are_averaged_and_values_weigh():
    mean, covariance = gaussian(heads=4, size=4, seed=0)
    keys = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(1))
    values = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(2))
    found = scores(mean, covariance, keys, values, 0.5, epsilon=0.1)
    alone = [scores(mean[h : h + 1], covariance[h : h + 1], keys[:1], None, 0.5, 0.0) for h in (0, 1)]

    assert torch.allclose(found[:1], ((alone[0] + alone[1]) / 2 + 0.1) * values[:1].norm(dim=-1))


def test_moments_are_those_of_what_the_query_projection_gave():
    toy, seen = toy_of("causal-lm"), []
    hook = toy.subject.attentions[1].q_proj.register_forward_hook(lambda module, given, output: seen.append(output))
    with torch.inference_mode():
        branch = toy.subject.prefill(toy.request, frozenset({QueryMoments(4)}))
    hook.remove()
    queries = seen[0][0].view(96, 4, 8)[4:]
    mean, covariance = branch.cache.layers[1].captured(QueryMoments(4))

    assert torch.allclose(mean, queries.mean(0), atol=1e-5)
    for head in range(4):
        assert torch.allclose(covariance[head], torch.cov(queries[:, head].T, correction=0), atol=1e-4)


def test_moments_of_one_query_have_no_spread():
    found = moments(torch.ones(2, 1, 3))

    assert found.mean.tolist() == [[1.0] * 3] * 2
    assert found.covariance.abs().max() == 0


@pytest.mark.parametrize("ratio", [0.5, 0.9])
def test_sinks_stay(ratio):
    toy, rows = toy_of("causal-lm"), {}

    def look(name):
        return lambda cache: rows.__setitem__(name, cache.layers[0].keys[:, :4].clone())

    with toy.subject.at("after_prefill", look("before")), ExpectedAttention(compression_ratio=ratio).apply(toy.subject):
        with toy.subject.at("after_prefill", look("after")):
            toy.subject.respond(toy.request, ExpectedAttention().needs())

    assert torch.equal(rows["before"], rows["after"])


def test_half_of_the_tokens_is_half_of_the_bytes():
    observed = answered(ExpectedAttention(), toy_of("causal-lm")).response.observed

    assert observed["resident_bytes"] * 2 == observed["full_bytes"]


def test_a_context_of_sinks_alone_is_refused():
    with pytest.raises(KnobError, match=r"expected_attention\.sinks must be below the 96 tokens"):
        answered(ExpectedAttention(sinks=96), toy_of("causal-lm"))


def test_a_model_without_rotation_is_refused_before_anything_is_loaded():
    with pytest.raises(IncompatibleError, match="no rotation"):
        ExpectedAttention().check({"layers": 2, "rotary": False})
