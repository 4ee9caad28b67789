import torch

from harness.testing import contract, toy_of
from harness.testing.contract import answered
from harness_plugins.kv_cache.random_eviction.algorithm import scores
from harness_plugins.kv_cache.random_eviction.plugin import RandomEviction

test_contract = contract(RandomEviction(), RandomEviction(compression_ratio=0.75, seed=3))


def test_heads_draw_apart():
    drawn = scores(2, 8, torch.Generator().manual_seed(0))

    assert drawn.shape == (2, 8)
    assert not torch.equal(drawn[0], drawn[1])


def test_seeds_choose_differently():
    toy = toy_of("causal-lm")
    kept = []

    def look(cache):
        kept.append(cache.layers[0].keys.clone())

    for seed in (0, 0, 1):
        with RandomEviction(seed=seed).apply(toy.subject), toy.subject.at("after_prefill", look):
            toy.subject.respond(toy.request, frozenset())

    assert torch.equal(kept[0], kept[1])
    assert not torch.equal(kept[0], kept[2])


def test_half_of_the_tokens_is_half_of_the_bytes():
    answer = answered(RandomEviction(compression_ratio=0.5), toy_of("causal-lm"))

    assert answer.evidence == {"kept": 48, "seen": 96}
    assert answer.response.observed["resident_bytes"] * 2 == answer.response.observed["full_bytes"]
