import pytest
import torch

from harness.api import KnobError
from harness.testing import contract, toy_of
from harness.testing.contract import answered
from harness_plugins.kv_cache.snapkv.algorithm import scores
from harness_plugins.kv_cache.snapkv.plugin import SnapKV

test_contract = contract(SnapKV(window=16), SnapKV(window=8, kernel=3, compression_ratio=0.8))


def by_hand(queries, keys, kernel):
    """One number at a time, as the paper's listing says."""
    heads, tokens, size = keys.shape
    groups, window = queries.shape[0] // heads, queries.shape[1]
    result = torch.zeros(heads, tokens - window)
    for head in range(heads):
        pooled = []
        for query_head in range(head * groups, (head + 1) * groups):
            rows = []
            for place in range(window):
                seen = tokens - window + place + 1
                logits = queries[query_head, place] @ keys[head, :seen].T / size**0.5
                rows.append(torch.cat([logits.softmax(0), torch.zeros(tokens - seen)]))
            mean = torch.stack(rows).mean(0)[: tokens - window]
            padded = torch.cat([torch.zeros(kernel // 2), mean, torch.zeros(kernel // 2)])
            pooled.append(padded.unfold(0, kernel, 1).mean(-1))
        result[head] = torch.stack(pooled).mean(0)
    return result


def test_scores_equal_the_definition_written_out():
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(4, 3, 8, generator=generator)
    keys = torch.randn(2, 20, 8, generator=generator)

    assert torch.allclose(scores(queries, keys, 5, 8**-0.5)[:, :17], by_hand(queries, keys, 5), atol=1e-6)


def test_the_window_always_scores_highest():
    generator = torch.Generator().manual_seed(0)
    found = scores(torch.randn(4, 3, 8, generator=generator), torch.randn(2, 20, 8, generator=generator), 5, 1.0)

    assert found[:, 17:].min() > found[:, :17].max()


def test_says_where_its_window_lay():
    evidence = answered(SnapKV(window=16), toy_of("causal-lm")).evidence

    assert (evidence["window_start"], evidence["window_end"]) == (80, 96)


def test_a_window_as_long_as_the_context_is_refused():
    toy = toy_of("causal-lm")
    with pytest.raises(KnobError, match=r"snapkv\.window must be below the 96 tokens"):
        answered(SnapKV(window=96), toy)


def test_an_even_kernel_is_refused():
    with pytest.raises(KnobError, match=r"snapkv\.kernel must be odd, got 4"):
        SnapKV(kernel=4)
