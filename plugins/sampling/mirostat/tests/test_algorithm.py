from math import inf, log2, sin

import pytest
import torch

from harness_plugins.sampling.mirostat.algorithm import budget, by_rank, by_surprise, zipf_exponent
from harness_plugins.subjects.causal_lm.sampling import bits


def zipf(s, vocabulary=1000):
    """Surprise of each rank under p ∝ rank^-s, float32."""
    return bits(-s * torch.arange(1, vocabulary + 1, dtype=torch.float64).log()).float()


@pytest.mark.parametrize("s", [0.8, 1.1, 1.5, 2.0])
@pytest.mark.parametrize("m", [2, 10, 100])
def test_the_exponent_of_an_exact_power_law_is_found(s, m):
    assert zipf_exponent(zipf(s)[:m]) == pytest.approx(s, abs=1e-5)


def test_exponent_and_k_are_those_of_the_author_s_code():
    """Numbers that estimate_s (99 pairs) and compute_k of github.com/basusourya/mirostat print for this law."""
    weights = torch.tensor([(i + 1) ** -1.1 * (1 + 0.3 * sin(i)) for i in range(1000)], dtype=torch.float64)
    top = bits(weights.log()).sort().values[:100]
    s = zipf_exponent(top)

    assert s == pytest.approx(1.01380010400047)
    assert [budget(s, bound, 1000) for bound in (4, 6, 8)] == [2, 9, 37]
    assert budget(1.1, 6.0, 50_000) == 8  # 7.876
    assert budget(1.4, 6.0, 50_000) == 10  # 10.233
    assert budget(2.0, 3.0, 50_000) == 3  # 2.828
    assert budget(1.2, 4.0, 1_000) == 3  # 3.355


@pytest.mark.parametrize(
    ("exponent", "bound", "k"),
    [
        (1.5, -50.0, 1),
        (1.5, 0.0, 1),
        (1.5, 5000.0, 1000),
        (0.3, 5000.0, 1000),
        (0.0, 3.0, 1),
        (-2.0, 3.0, 1),
        (40, 3, 1),
    ],
)
def test_k_stays_within_the_vocabulary_where_the_formula_does_not(exponent, bound, k):
    assert budget(exponent, bound, 1000) == k


def test_flat_tops_and_excluded_tokens_have_an_exponent():
    flat = bits(torch.zeros(1000))
    held = torch.zeros(1000)
    held[3:] = -inf

    assert zipf_exponent(flat[:100]) == 0.0
    assert by_rank(flat, 1000.0, 100).all()
    assert by_rank(bits(held), 1000.0, 100).nonzero()[:, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("bound", [-3.0, 0.0, 0.7, 2.0, 5.0, 9.0, inf])
def test_what_is_kept_is_a_prefix_of_the_sorted_tokens_with_the_likeliest(bound):
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        surprise = bits(3 * torch.randn(500, generator=generator))
        for kept in (by_surprise(surprise, bound), by_rank(surprise, bound, 100)):
            order = kept[surprise.argsort()]
            assert order[0]
            assert order.tolist() == sorted(order.tolist(), reverse=True)


def test_version_2_keeps_exactly_what_is_no_more_surprising_than_the_bound():
    surprise = bits(torch.tensor([8.0, 4.0, 2.0, 1.0, 1.0]).log())  # 1, 2, 3, 4 and 4 bits

    assert surprise.tolist() == pytest.approx([1, 2, 3, 4, 4])
    assert by_surprise(surprise, 2.5).tolist() == [True, True, False, False, False]
    assert by_surprise(surprise, 0.5).tolist() == [True, False, False, False, False]
    assert by_surprise(surprise, inf).all()


def test_surprise_is_in_bits():
    assert bits(torch.tensor([0.0, 0.0])).tolist() == [1.0, 1.0]
    assert bits(torch.tensor([3.0, 1.0]).log()).tolist() == pytest.approx([log2(4 / 3), 2.0])
