"""A group of cache layers into factors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.api import KnobError
from harness_plugins.subjects.causal_lm.cache import Dense, Layer

from .algorithm import Factors, factorise, rank_for
from .storage import LowRank


def compress_group(layers: Sequence[Layer], ratio: float, rank_k: int | None, rank_v: int | None) -> dict[str, int]:
    """Replaces the layers' storage; returns the ranks used.

    Raises:
        KnobError: the context is too short for any rank to save that much.
    """
    keys = torch.cat([side_by_side(layer.unrotated_keys()) for layer in layers], dim=1)
    values = torch.cat([side_by_side(layer.values.float()) for layer in layers], dim=1)
    tokens, channels = keys.shape
    k = rank_for(ratio, tokens, channels) if rank_k is None else min(rank_k, tokens, channels)
    v = rank_for(ratio, *values.shape) if rank_v is None else min(rank_v, *values.shape)
    if k < 1 or v < 1:
        raise KnobError(
            f"xkv can't save {ratio:g} of the bytes of {tokens} tokens in groups of {len(layers)} layers: even rank 1 "
            "takes more; use a longer context, a smaller group_size or a lower compression_ratio"
        )
    install(layers, factorise(keys, k), factorise(values, v))
    return {"rank_k": k, "rank_v": v}


def install(layers: Sequence[Layer], keys: Factors, values: Factors) -> None:
    dtype = layers[0].values.dtype
    key_tokens, value_tokens = (factors.tokens.to(dtype).contiguous() for factors in (keys, values))
    for layer, key_channels, value_channels in zip(
        layers, keys.channels.chunk(len(layers), 1), values.channels.chunk(len(layers), 1), strict=True
    ):
        old_keys, old_values = layer.keys, layer.values
        layer.storage = LowRank(
            (key_tokens, key_channels.to(dtype, copy=True).contiguous()),
            (value_tokens, value_channels.to(dtype, copy=True).contiguous()),
            heads=old_keys.shape[0],
            positions=layer.storage.positions,
            rotation=layer.rotation,
            tail=Dense(old_keys[:, :0], old_values[:, :0], range(0)),
        )


def side_by_side(rows: Tensor) -> Tensor:
    """[heads, tokens, size] → [tokens, heads · size]."""
    return rows.transpose(0, 1).flatten(1)
