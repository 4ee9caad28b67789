"""Attention over caches of unequal length: each sequence attends to its own, in the run's own kernel.

transformers hands whatever a cache's `update` returns straight to its attention function. `Batch`
stands in for its cache and returns `Rows`; `attend`, registered as an attention function, reads
them. So projections and feed-forward layers run for all sequences at once, and no cache is padded.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .cache import Cache, Layer
from .plugin import Capture
from .prefilling import Faces

NAME = "harness_rows"


class Rows:
    """The same layer of several caches, standing in for its keys or values."""

    def __init__(self, layers: Sequence[Layer], needs: frozenset[Capture]) -> None:
        self.layers = layers
        self.needs = needs


class Batch:
    """Several caches in the place of transformers' one."""

    is_compileable = False

    def __init__(self, caches: Sequence[Cache], positions: Sequence[range], needs: frozenset[Capture] = frozenset()):
        self.caches = caches
        self.positions = positions
        self.needs = needs

    def update(self, keys: Tensor, values: Tensor, layer: int, *args: Any, **kwargs: Any) -> tuple[Rows, Rows]:
        layers = [cache.layer(layer) for cache in self.caches]
        for row, (one, positions) in enumerate(zip(layers, self.positions, strict=True)):
            one.append(keys[row], values[row], positions)
        rows = Rows(layers, self.needs)
        return rows, rows

    @property
    def layers(self) -> Faces:
        """Of the first cache, for libraries that shorten it while tokens are decoded."""
        return Faces(self.caches[0])

    def get_seq_length(self, layer: int = 0) -> int:
        return self.positions[0].start


def attend(
    module: nn.Module, query: Tensor, key: Any, value: Any, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """query [rows, heads, new tokens, size] → [rows, new tokens, heads, size]."""
    base = module.harness_attention
    if not isinstance(key, Rows):
        return base(module, query, key, value, attention_mask, **kwargs)
    outputs = []
    for row, layer in enumerate(key.layers):
        one = query[row : row + 1]
        layer.scaling = kwargs.get("scaling") or one.shape[-1] ** -0.5
        for need in key.needs:
            layer.capture(need, one[0])
        keys, values = layer.storage.read()
        mask = visible(layer, one.shape[2], keys.shape[1], kwargs.get("sliding_window"), one)
        outputs.append(base(module, one, keys.unsqueeze(0), values.unsqueeze(0), mask, **kwargs)[0])
        layer.storage.attended(one[0])
    return (outputs[0] if len(outputs) == 1 else torch.cat(outputs)), None


def visible(layer: Layer, new: int, total: int, window: int | None, query: Tensor) -> Tensor | None:
    """[1, 1, new, total], true where a query may look; None where the kernel's own causal rule says the same.

    Rows before the new ones are all in a query's past, whatever was evicted among them.
    """
    windowed = window is not None and total > window
    if not windowed and (new == 1 or new == total):
        return None
    rows = torch.arange(total, device=query.device)
    own = torch.arange(total - new, total, device=query.device).unsqueeze(1)
    mask = rows <= own
    if windowed:
        mask &= rows > own - window
    return mask[None, None]


def register() -> None:
    """Makes `attend` known; again where a library has wrapped every attention function there is."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS[NAME] = attend


def install(model: nn.Module, implementation: str) -> list[nn.Module]:
    """Routes a loaded model's attention through `attend`; returns its attention modules, by layer."""
    register()
    modules = sorted(
        (one for one in model.modules() if hasattr(one, "layer_idx") and "Attention" in type(one).__name__),
        key=lambda one: one.layer_idx,
    )
    for module in modules:
        module.harness_attention = kernel(module, implementation)
        module.config._attn_implementation = NAME
    model.config._attn_implementation = NAME
    return modules


def kernel(module: nn.Module, implementation: str) -> Callable[..., Any]:
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    if implementation == "eager":
        eager = inspect.getmodule(type(module)).eager_attention_forward
        return lambda module, query, key, value, mask, **kwargs: eager(
            module, query, key, value, additive(mask, query, key), **kwargs
        )
    return ALL_ATTENTION_FUNCTIONS[implementation]


def additive(mask: Tensor | None, query: Tensor, key: Tensor) -> Tensor | None:
    """Eager attention adds its mask, and has no causal rule of its own."""
    if mask is None:
        new, total = query.shape[2], key.shape[2]
        if new == 1:
            return None
        mask = torch.ones(new, total, dtype=torch.bool, device=query.device).tril(total - new)[None, None]
    low = torch.finfo(query.dtype).min
    return torch.zeros(mask.shape, dtype=query.dtype, device=query.device).masked_fill(~mask, low)
