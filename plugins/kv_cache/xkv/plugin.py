"""xKV: one truncated SVD for the caches of neighbouring layers (arXiv:2503.18893)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.api import Evidence, IncompatibleError, KnobError, Method, Traits, hookimpl, knob
from harness_plugins.subjects.causal_lm.plugin import CacheMethod


@dataclass(frozen=True)
class XKV(CacheMethod):
    group_size: int = knob(6, low=1, help="consecutive layers that share a token-side factor; 1: SVD per layer")
    compression_ratio: float = knob(
        0.75, low=0.0, high=0.99, help="fraction of bytes saved, basis counted; sets equal ranks for keys and values"
    )
    rank_k: int | None = knob(None, low=1, help="rank of keys per group, in place of compression_ratio")
    rank_v: int | None = knob(None, low=1, help="rank of values per group, in place of compression_ratio")
    start_layer: int = knob(0, low=0, help="first layer compressed")
    end_layer: int = knob(-1, low=-1, help="last layer compressed; -1: the model's last")

    name = "xkv"
    traits = Traits(
        family="kv-cache",
        subjects=frozenset({"causal-lm"}),
        seams=frozenset({"after_prefill"}),
        evidence=frozenset({"rank_k", "rank_v"}),
        requires=frozenset({"rows of single tokens", "one position per row"}),
        breaks=frozenset({"rows of single tokens", "one position per row"}),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.rank_k is None) != (self.rank_v is None):
            raise KnobError("xkv takes both rank_k and rank_v, or neither and a compression_ratio")

    def nominal(self) -> dict[str, float]:
        if self.rank_k is None or self.rank_v is None:
            return {"compression_ratio": self.compression_ratio}
        return {"rank_k": self.rank_k, "rank_v": self.rank_v}

    def check(self, facts: Mapping[str, Any]) -> None:
        super().check(facts)
        if not facts.get("rotary", True):
            raise IncompatibleError("xkv factorises keys before rotary embedding, which this model does not have")
        layers = facts["layers"]
        end = layers - 1 if self.end_layer == -1 else self.end_layer
        if self.group_size > layers:
            raise IncompatibleError(f"xkv.group_size is {self.group_size}, but the model has {layers} layers")
        if not self.start_layer <= end < layers:
            raise IncompatibleError(
                f"xkv compresses layers {self.start_layer} to {end}, but the model has layers 0 to {layers - 1}"
            )

    @contextmanager
    def apply(self, subject: Any) -> Iterator[Evidence]:
        evidence = Evidence()

        def compress(cache: Any) -> None:
            from .group import compress_group

            end = float("inf") if self.end_layer == -1 else self.end_layer
            chosen = [layer for layer in cache.layers if self.start_layer <= layer.index <= end]
            for start in range(0, len(chosen), self.group_size):
                group = chosen[start : start + self.group_size]
                evidence.record(**compress_group(group, self.compression_ratio, self.rank_k, self.rank_v))
            # Rows rebuilt from factors can't be evicted one by one: what is decoded follows them.
            if cache.rolling:
                cache.rolling, cache.next_position = False, cache.layers[0].storage.length

        with subject.at("after_prefill", compress):
            yield evidence


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [XKV]
