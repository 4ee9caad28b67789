import torch

from harness.testing import contract, toy_of
from harness.testing.contract import answered
from harness_plugins.kv_cache.tova.algorithm import scores
from harness_plugins.kv_cache.tova.plugin import TOVA
from harness_plugins.subjects.causal_lm.reference import Reference
from harness_plugins.subjects.causal_lm.toy import make

test_contract = contract(TOVA(), TOVA(compression_ratio=0.9), TOVA(while_decoding=False))


def test_a_token_scores_what_all_heads_of_the_last_query_pay_it_on_average():
    # one head of keys, two of queries: one looks at the first token alone, one at both alike
    keys = torch.tensor([[[100.0], [0.0], [0.0]]])
    query = torch.tensor([[[1.0]], [[0.0]]])

    found = scores(query, keys, scaling=1.0)

    assert torch.allclose(found[:2], torch.tensor([(1 + 1 / 3) / 2, (0 + 1 / 3) / 2]))
    assert found.argmax() == 2  # the last token stays


def test_decodes_as_the_policy_written_out_over_transformers():
    toy, kept = make(context=60, question=5, new_tokens=30), 24

    def choose(layer, attention):
        mean = attention[:, -1].mean(0)
        mean[-1] = 2
        return mean.topk(kept).indices.sort().values.expand(2, -1)

    expected = Reference(choose)
    tokens = expected.decode(toy.request)
    method = TOVA(compression_ratio=0.6)
    with torch.inference_mode(), method.apply(toy.subject):
        prefilled = toy.subject.prefill(toy.request, method.needs())
        branch = toy.subject.act(prefilled.cache, prefilled.logits)
        toy.subject.decode([branch], toy.request)

    assert branch.tokens == tokens
    for ours, theirs in zip(branch.cache.layers, expected.cache.layers, strict=True):
        assert ours.keys.shape == (2, kept, 8)
        assert torch.allclose(ours.keys, theirs.keys[0], atol=1e-4)


def test_without_eviction_while_decoding_tokens_come_on_top():
    held = answered(TOVA(), toy_of("causal-lm"))
    grown = answered(TOVA(while_decoding=False), toy_of("causal-lm"))

    assert held.evidence == grown.evidence == {"kept": 48, "seen": 96}
    assert held.response.observed["end_resident_bytes"] <= held.response.observed["resident_bytes"]
    assert grown.response.observed["end_resident_bytes"] > grown.response.observed["resident_bytes"]
