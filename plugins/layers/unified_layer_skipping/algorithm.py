"""Unified Layer Skipping's choice of layers (arXiv:2404.06954, `Unified_Layer_Skipping` on GitHub)."""


def interval(layers: int, kept: int) -> int:
    """Layers from one kept to the next, but for the last."""
    return layers // (kept - 1)


def kept_layers(layers: int, kept: int) -> list[int]:
    """The first, the last, and every `interval`-th between them until there are `kept`; ascending."""
    step = interval(layers, kept)
    between = [layer for layer in range(1, layers - 1) if layer % step == 0]
    return [0, *between[: kept - 2], layers - 1]
