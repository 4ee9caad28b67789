from dataclasses import replace

import pytest

from harness.api import KnobError
from harness.testing import contract, toy_of
from harness.testing.contract import answered
from harness_plugins.kv_cache.pyramidkv.algorithm import budgets
from harness_plugins.kv_cache.pyramidkv.plugin import PyramidKV

SMALL = PyramidKV(window=16)
test_contract = contract(SMALL, PyramidKV(window=8, kernel=3, beta=2, compression_ratio=0.8))


def test_budgets_fall_linearly_from_nearly_twice_the_mean_to_a_twentieth():
    # 160 rows a layer beside the window: 160 / 20 = 8 in the last layer, 320 - 8 = 312 in the first
    assert budgets(layers=5, seen=1000, kept=224, window=64, beta=20) == [376, 300, 224, 148, 72]


def test_the_first_layer_keeps_no_more_than_there_is():
    assert budgets(layers=3, seen=100, kept=70, window=10, beta=20) == [100, 70, 40]


def test_a_beta_of_one_is_uniform():
    assert budgets(layers=4, seen=1000, kept=200, window=64, beta=1) == [200] * 4


@pytest.mark.parametrize("layers", [1, 2, 7, 30])
@pytest.mark.parametrize("kept", [65, 66, 100, 513, 700, 999])
def test_budgets_sum_to_what_was_asked(layers, kept):
    found = budgets(layers, seen=1000, kept=kept, window=64, beta=20)

    assert sum(found) == layers * kept
    assert found == sorted(found, reverse=True)
    assert all(64 <= one <= 1000 for one in found)


def test_layers_keep_unequal_numbers_whose_mean_is_what_was_asked():
    answer = answered(replace(SMALL, compression_ratio=0.5), toy_of("causal-lm"))
    observed = answer.response.observed

    # 48 a layer, 32 beside the window: 1.6 and 62.4 of them
    assert answer.evidence == {
        "kept": 48,
        "seen": 96,
        "kept_first": 16 + 62,
        "kept_last": 16 + 2,
        "window_start": 80,
        "window_end": 96,
    }
    assert observed["kept"] == 48
    assert observed["resident_bytes"] * 2 == observed["full_bytes"]


def test_a_window_that_leaves_nothing_for_the_pyramid_is_refused():
    with pytest.raises(KnobError, match=r"pyramidkv\.window must be below the 48 tokens kept, got 48"):
        answered(PyramidKV(window=48), toy_of("causal-lm"))


def test_an_even_kernel_is_refused():
    with pytest.raises(KnobError, match=r"pyramidkv\.kernel must be odd, got 4"):
        PyramidKV(kernel=4)
