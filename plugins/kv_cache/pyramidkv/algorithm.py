"""PyramidKV's budgets (arXiv:2406.02069, section 4); its scores are SnapKV's."""

from math import floor


def budgets(layers: int, seen: int, kept: int, window: int, beta: float) -> list[int]:
    """Rows each layer keeps: the window, and a share that falls linearly with depth; in all `layers` · `kept`.

    The last layer's share is 1/`beta` of the mean, unless the first would then keep more than there is.
    Halves of a row are given to the layers that lose most by rounding down.
    """
    mean = kept - window
    last = mean / beta
    if 2 * mean - last > seen - window:
        last = 2 * mean - (seen - window)
    step = 2 * (mean - last) / max(1, layers - 1)
    shares = [mean + step * ((layers - 1) / 2 - layer) for layer in range(layers)]
    whole = [floor(share + 1e-9) for share in shares]
    largest = sorted(range(layers), key=lambda layer: whole[layer] - shares[layer])
    for layer in largest[: layers * mean - sum(whole)]:
        whole[layer] += 1
    return [window + share for share in whole]
