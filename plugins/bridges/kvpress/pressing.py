"""A press of kvpress at work: it prefills with its own hooks on the model as transformers loads it.

Done as kvpress's own pipeline does it: the press is open while the context is prefilled, and again while
tokens are decoded where it is one that acts then.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from inspect import signature
from typing import Any

import torch

from harness.api import Evidence, HarnessError, IncompatibleError
from harness_plugins.subjects.causal_lm.attention import register
from harness_plugins.subjects.causal_lm.prefilling import Prefilled

from .plugin import kinds


class Kept(Evidence):
    """What a press left of the cache; what it evicted while decoding is known when the sample ends."""

    decodes = False
    evicted: Sequence[int] = ()

    def take(self) -> dict[str, float]:
        if self.decodes:
            self.record(evicted=sum(self.evicted) / max(1, len(self.evicted)))
        return super().take()


@contextmanager
def pressed(method: Any, subject: Any) -> Iterator[Evidence]:
    import kvpress
    from kvpress.attention_patch import attention_patch

    logging.getLogger("kvpress").setLevel(logging.ERROR)
    register()  # the import has wrapped it
    evidence = Kept()
    evidence.decodes = bool(method.entry["decodes"])
    with ExitStack() as decoding, restored(subject):
        for module in subject.attentions:  # its kernels were taken before kvpress came to hide keys in them
            module.harness_attention = attention_patch(named(module.harness_attention))

        def prefill(ids: list[int], last: int) -> Prefilled:
            decoding.close()
            press = built(method)
            given = delimited(press, ids)
            with subject.unrouted(), refusing(method), torch.random.fork_rng(), opened(press, subject.model):
                torch.manual_seed(sum(ids))  # presses that draw give the same for the same text
                done = prefilled(press, subject, given, last)
            if isinstance(press, kvpress.DecodingPress | kvpress.PrefillDecodingPress) or getattr(press, "decoding", 0):
                evidence.evicted = counted(press, len(subject.attentions))
                decoding.enter_context(press(subject.model))
            return done

        def look(cache: Any) -> None:
            seen = cache.cut[0]
            found = [left(layer, module) for layer, module in zip(cache.layers, subject.attentions, strict=True)]
            for one in found:
                evidence.record(kept=one["kept"], seen=seen, **{name: one[name] for name in proofs(method)})
            asked = getattr(method, "compression_ratio", 0.0)
            if asked * seen >= 1 and all(one["kept"] == seen and not one["masked"] for one in found):
                raise HarnessError(f"{method.name} left all {seen} rows as they were, asked to remove {asked:g}")

        with subject.at("prefill", prefill), subject.at("after_prefill", look):
            yield evidence


def named(kernel: Any) -> Any:
    """A kernel that may be given its dropout by position, as kvpress does."""
    return lambda module, query, key, value, mask, dropout=0.0, **more: kernel(
        module, query, key, value, mask, dropout=dropout, **more
    )


def proofs(method: Any) -> list[str]:
    return [name for name in method.entry["evidence"] if name != "evicted"]


def left(layer: Any, module: Any) -> dict[str, float]:
    """What a layer holds: rows, rows that are hidden from attention (a mean over heads), channels without a key."""
    hidden = getattr(module, "masked_key_indices", None)
    keys = layer.keys
    return {
        "kept": layer.storage.length,
        "masked": 0.0 if hidden is None else len(hidden[0]) / len(keys),
        "zeroed": float((keys == 0).all(dim=1).float().mean()),
    }


@contextmanager
def restored(subject: Any) -> Iterator[None]:
    """Takes away what presses leave on a model."""
    kernels = [module.harness_attention for module in subject.attentions]
    try:
        yield
    finally:
        for module, kernel in zip(subject.attentions, kernels, strict=True):
            module.harness_attention = kernel
            module.__dict__.pop("masked_key_indices", None)
            module._modules.pop("rotary_emb", None)
        subject.model.model.__dict__.pop("forward", None)


@contextmanager
def refusing(method: Any) -> Iterator[None]:
    """kvpress says what it can't do by assertions."""
    try:
        yield
    except (AssertionError, NotImplementedError) as error:
        raise IncompatibleError(f"{method.name}: kvpress refuses: {error}") from error


def opened(press: Any, model: Any) -> Any:
    from kvpress import DecodingPress

    return nullcontext() if isinstance(press, DecodingPress) else press(model)


def prefilled(press: Any, subject: Any, ids: list[int], last: int) -> Prefilled:
    """The cache is read when the press has closed: some compress only then."""
    from kvpress import FinchPress, KeyRerotationPress
    from transformers import DynamicCache

    cache = DynamicCache()
    done = subject.model.model(input_ids=torch.tensor([ids], device=subject.device), past_key_values=cache)
    logits = subject.model.lm_head(done.last_hidden_state[0, -last:])
    rolled = isinstance(press, KeyRerotationPress) or (isinstance(press, FinchPress) and press.rerotate_keys)
    return Prefilled(logits, cache, rolled)


def delimited(press: Any, ids: list[int]) -> list[int]:
    """Finch looks for a token between a context and its question: one that the text has not, taken out again."""
    from kvpress import FinchPress

    if not isinstance(press, FinchPress):
        return ids
    press.delimiter_token_id = next(number for number in range(len(ids) + 1) if number not in set(ids))
    window = min(press.asked_window, len(ids) - 1)
    return [*ids[:-window], press.delimiter_token_id, *ids[-window:]]


def counted(press: Any, layers: int) -> list[int]:
    """Rows that it evicts from each layer while decoding, as they go."""
    from kvpress import PrefillDecodingPress

    inner = press.decoding_press if isinstance(press, PrefillDecodingPress) else press
    evicted, compress = [0] * layers, inner.compress

    def counting(module: Any, hidden: Any, keys: Any, *rest: Any) -> Any:
        result = compress(module, hidden, keys, *rest)
        evicted[module.layer_idx] += keys.shape[2] - result[0].shape[2]
        return result

    inner.compress = counting
    return evicted


def built(method: Any) -> Any:
    """The press with its settings, and those of presses inside it."""
    import kvpress

    inside, given = method.inside(), method.settings()
    given.pop("inner", None)
    ratio = given.get("compression_ratio")

    def make(name: str, **more: Any) -> Any:
        kind = kinds()[name]
        settings = inside[name] | {key: value for key, value in more.items() if key in inside[name]}
        return getattr(kvpress, kind.entry["class"])(**settings)

    press = getattr(kvpress, method.entry["class"])
    more = {} if ratio is None else {"compression_ratio": ratio}
    if press is kvpress.PrefillDecodingPress:
        size = {name: given[name] for name in ("compression_interval", "target_size")}
        decoding = kvpress.DecodingPress(make(given["base_press"], compression_ratio=0.0), **size)
        return press(make(given["prefilling_press"], **more), decoding)
    if "base_press" in given:
        given["base_press"] = make(given["base_press"], compression_ratio=0.0)  # it is set while decoding
    if "press" in given:
        given["press"] = make(given["press"], **more)
    if "presses" in given:
        given["presses"] = [make(name, **more) for name in given["presses"]]
    window = given.pop("window", None) if press is kvpress.FinchPress else None
    made = press(**{name: value for name, value in given.items() if name in signature(press).parameters})
    if window is not None:
        made.asked_window = window
    return made
