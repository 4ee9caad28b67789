"""Causal language models: what methods and tasks may know of them without loading one.

A request to a causal language model is a plain dict:

    context    token ids that are prefilled, and may then be compressed
    question   token ids fed after compression (empty where the context holds everything)
    new_tokens how many tokens to decode at most
    stop       token ids that end decoding; none: always `new_tokens`
    halt       token ids that end it and are kept (may be left out)
    banned     token ids that are never chosen (may be left out)
    surprise   true: how surprising each token was, in bits (may be left out)
    seeds      a continuation for each of these numbers, which seed what is drawn for it (may be left out:
               one continuation, seeded by its context)

and its output is `{"tokens": [ids]}`, stop ids left out, with `surprises` where asked for; with `seeds`,
`{"continuations": [one such for each]}`. Or it asks how likely given texts are:

    score      [{context, question, continuation}, ...], token ids each; an item may say in which
               phase: "decode" (token by token), "prefill" (all of it prefilled at once, and scored there)

answered by `{"scores": [{"logprobs": [nats], "likeliest": [true or false]}, ...]}`, a number for each
token of the continuation. Equal contexts are prefilled and compressed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import floor
from typing import Any, ClassVar

from harness.api import Evidence, IncompatibleError, Method, Seam, Subject, Traits, hookimpl, knob


class CausalLM(Subject):
    kind = "causal-lm"
    revision = 1
    seams: ClassVar[Mapping[str, Seam]] = {
        "after_prefill": Seam("called with the Cache of a prefilled context, before anything is decoded", shared=True),
        "blocks": Seam("called as tokens reach a block, with its number, phase and hidden states: whether it runs"),
        "prefill": Seam("called with token ids and how many last logits are wanted, in place of the prefill"),
        "weights": Seam(
            "called once with the Layers of all blocks that have weights, to put others in place", held=True
        ),
        "next_token": Seam(
            "called for each sequence, gives what is called with each Step of it: see Sampler", shared=True
        ),
    }

    @classmethod
    def toy(cls) -> Any:
        from .toy import make

        return make()


class Capture:
    """What a method needs of each layer while the context is prefilled, for `layer.captured(need)`.

    A frozen dataclass, so that what several methods need alike is taken once.
    """

    def take(self, layer: Any, queries: Any) -> Any:
        """From a layer that holds the context, and the context's rotated queries, [query heads, tokens, size]."""
        raise NotImplementedError


@dataclass(frozen=True)
class LastQueries(Capture):
    """The queries of the last `window` prefilled tokens, for `layer.queries(window)`."""

    window: int

    def take(self, layer: Any, queries: Any) -> Any:
        return queries[:, -self.window :].clone()


@dataclass(frozen=True)
class CacheMethod(Method):
    """Base of methods that act on the cache of a prefilled context."""

    def check(self, facts: Mapping[str, Any]) -> None:
        if facts.get("sliding_layers"):
            raise IncompatibleError(
                f"{self.name} acts on a cache that keeps every token; {facts['sliding_layers']} of this model's "
                f"{facts['layers']} layers attend through a sliding window; choose a model without one"
            )


WHOLE = frozenset({"positions of the text", "every token of the text"})  # required by methods that look back on it

EVICTION = Traits(
    family="kv-cache",
    subjects=frozenset({"causal-lm"}),
    seams=frozenset({"after_prefill"}),
    evidence=frozenset({"kept", "seen"}),
    controls=("random_eviction",),
    requires=frozenset({"rows of single tokens"}),
    breaks=frozenset({"one position per row", "every token of the text"}),
)


@dataclass(frozen=True)
class Evictor(CacheMethod):
    """Base of methods that score every cached token of each head and keep the best."""

    compression_ratio: float = knob(0.5, low=0.0, high=0.99, help="fraction of the context's tokens removed")

    neutral = {"compression_ratio": 0.0}

    def scores(self, layer: Any, text: int) -> Any:
        """[heads, tokens]; higher is kept. `text` is a number of the context's own, for methods that draw."""
        raise NotImplementedError

    def shrink(self, cache: Any, layer: Any, kept: int) -> None:
        """Leaves `kept` rows of each head: the best by `scores`."""
        layer.keep(self.scores(layer, cache.text).topk(kept, dim=-1).indices.sort(dim=-1).values)

    @contextmanager
    def apply(self, subject: Any) -> Iterator[Evidence]:
        evidence = Evidence()

        def evict(cache: Any) -> None:
            for layer in cache.layers:
                seen = layer.storage.length
                kept = self.kept(seen)
                if kept < seen:
                    self.shrink(cache, layer, kept)
                evidence.record(kept=layer.storage.length, seen=seen)

        with subject.at("after_prefill", evict):
            yield evidence

    def kept(self, seen: int) -> int:
        """floor(seen · (1 − ratio)), at least 1; exact where the product is whole but for rounding."""
        return max(1, floor(seen * (1 - self.compression_ratio) + 1e-9))


@hookimpl
def harness_subjects() -> list[type[Subject]]:
    return [CausalLM]
