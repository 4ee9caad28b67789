import torch
from torch.nn.functional import pad

from harness.testing import contract, toy_of
from harness.testing.contract import answered
from harness_plugins.kv_cache.h2o.algorithm import kept_rows, received
from harness_plugins.kv_cache.h2o.plugin import H2O
from harness_plugins.subjects.causal_lm.reference import Reference
from harness_plugins.subjects.causal_lm.toy import make

test_contract = contract(H2O(), H2O(compression_ratio=0.9, recent=0.0), H2O(recent=1.0, while_decoding=False))


def test_keeps_the_last_rows_and_the_heaviest_of_the_others():
    scores = torch.tensor([[1.0, 9.0, 3.0, 8.0, 7.0, 0.0]])

    assert kept_rows(scores, kept=4, recent=2).tolist() == [[1, 3, 4, 5]]
    assert kept_rows(scores, kept=3, recent=0).tolist() == [[1, 3, 4]]
    assert kept_rows(scores, kept=2, recent=2).tolist() == [[4, 5]]


def test_blocks_of_queries_add_up_to_the_whole_attention():
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(4, 600, 8, generator=generator)
    keys = torch.randn(2, 700, 8, generator=generator)
    future = torch.ones(600, 700, dtype=torch.bool).triu(101)
    logits = queries.view(2, 2, 600, 8) @ keys.unsqueeze(1).transpose(-1, -2) * 0.3
    whole = logits.masked_fill(future, float("-inf")).softmax(-1)

    assert torch.allclose(received(queries, keys, 0.3), whole.sum((1, 2)), atol=1e-4)


def test_decodes_as_the_policy_written_out_over_transformers():
    """Scores add up over prefill, question and decoded tokens, and stay with their row."""
    toy, kept, recent, sums = make(context=60, question=5, new_tokens=30), 24, 12, {}

    def choose(layer, attention):
        heads = attention.view(2, 2, *attention.shape[1:]).sum((1, 2))
        old = sums.get(layer, heads[:, :0])
        total = heads + pad(old, (0, heads.shape[1] - old.shape[1]))
        heavy = total[:, :-recent].topk(kept - recent).indices.sort().values
        rows = torch.cat([heavy, torch.arange(total.shape[1] - recent, total.shape[1]).expand(2, -1)], dim=1)
        sums[layer] = total.gather(1, rows)
        return rows

    expected = Reference(choose)
    tokens = expected.decode(toy.request)
    method = H2O(compression_ratio=0.6)
    with torch.inference_mode(), method.apply(toy.subject):
        prefilled = toy.subject.prefill(toy.request, method.needs())
        branch = toy.subject.act(prefilled.cache, prefilled.logits)
        toy.subject.decode([branch], toy.request)

    assert branch.tokens == tokens
    for ours, theirs in zip(branch.cache.layers, expected.cache.layers, strict=True):
        assert ours.keys.shape == (2, kept, 8)
        assert torch.allclose(ours.keys, theirs.keys[0], atol=1e-4)


def test_the_scores_it_goes_on_adding_to_are_counted_as_resident():
    held = answered(H2O(), toy_of("causal-lm")).response.observed
    once = answered(H2O(while_decoding=False), toy_of("causal-lm")).response.observed

    assert once["resident_bytes"] * 2 == once["full_bytes"]
    assert held["resident_bytes"] == once["resident_bytes"] + 4 * 2 * 48 * 4  # layers, heads, rows, bytes
    assert held["end_resident_bytes"] == held["resident_bytes"]
    assert once["end_resident_bytes"] > once["resident_bytes"]
