"""TOVA's scores (arXiv:2401.06104, section 4)."""

from torch import Tensor

from harness_plugins.subjects.causal_lm.weights import attention_weights


def scores(query: Tensor, keys: Tensor, scaling: float) -> Tensor:
    """The last query's attention to each token, mean over all query heads, [tokens].

    The last token gets the highest score, so it is always kept.

    Args:
        query: rotated, of the last token, [query heads, 1, size].
        keys: rotated, [heads, tokens, size].
        scaling: what the model multiplies their products by.
    """
    found = attention_weights(query, keys, scaling).mean(dim=(0, 1)).squeeze(0)
    found[-1] = found.max() + 1
    return found
