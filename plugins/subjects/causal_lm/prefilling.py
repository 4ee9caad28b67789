"""The seam `prefill`: a library of its own fills the cache, on the model as transformers loads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import Tensor, nn

from .cache import Cache, Dense, Layer
from .rotation import Rotation


class Prefilled(NamedTuple):
    """What a library left of a context."""

    logits: Tensor  # of the last tokens, [tokens, vocabulary]
    cache: Any  # transformers' own, its `layers` with keys and values [1, heads, rows, size]
    rolled: bool = False  # keys were rotated anew, to positions from 0 in the cache


def adopted(found: Prefilled, tokens: int, text: int, rotation: Rotation) -> Cache:
    """The cache of a sequence of `tokens`, from what another library made of it."""
    layers = []
    full = 0
    for index, one in enumerate(found.cache.layers):
        layer, keys, values = Layer(index, rotation), one.keys[0], one.values[0]
        whole = keys.shape[1] == tokens and not found.rolled
        layer.storage = Dense(keys, values, range(tokens) if whole else None)
        layers.append(layer)
        full += tokens * sum(part.shape[0] * part.shape[2] * part.element_size() for part in (keys, values))
    cache = Cache(layers, text)
    cache.cut = float(tokens), float(full)
    cache.next_position = layers[0].storage.length if found.rolled else tokens
    return cache


@contextmanager
def unrouted(model: nn.Module, modules: Sequence[nn.Module], implementation: str) -> Iterator[None]:
    """The model attends as transformers would have it, not through the caches of this subject."""
    configs = {id(one.config): one.config for one in (model, *modules)}.values()
    kept = [one._attn_implementation for one in configs]
    for one in configs:
        one._attn_implementation = implementation
    try:
        yield
    finally:
        for one, name in zip(configs, kept, strict=True):
            one._attn_implementation = name


class Faces:
    """A cache's layers by number, as transformers' caches show theirs."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def __getitem__(self, index: int) -> Face:
        return Face(self._cache.layer(index))


class Face:
    """A layer whose keys and values can be assigned, [1, heads, rows, size]."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._given: Tensor | None = None

    @property
    def keys(self) -> Tensor:
        return self._layer.keys.unsqueeze(0)

    @keys.setter
    def keys(self, keys: Tensor) -> None:
        self._given = keys  # its values follow

    @property
    def values(self) -> Tensor:
        return self._layer.values.unsqueeze(0)

    @values.setter
    def values(self, values: Tensor) -> None:
        assert self._given is not None, "keys are assigned before their values"
        same = self._given.shape[2] == self._layer.storage.length
        self._layer.storage = Dense(self._given[0], values[0], self._layer.storage.positions if same else None)
