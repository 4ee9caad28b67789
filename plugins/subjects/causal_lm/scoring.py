"""How likely given continuations are, token by token, after a context that methods have acted on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from harness.api import Arm, Response

from .cache import Cache

if TYPE_CHECKING:
    from .subject import Branch, LoadedCausalLM

AT_ONCE = 512  # tokens fed in one step: their logits fill memory, [tokens, vocabulary]

Ids = tuple[int, ...]


class Context(NamedTuple):
    """Tokens prefilled at once."""

    ids: Ids
    scored: int  # so many of the last are scored by the prefill itself


def answer(
    subject: LoadedCausalLM, request: dict[str, Any], arms: Sequence[Arm], needs: frozenset[Any]
) -> Iterable[tuple[Arm, Response]]:
    """One prefill of each context serves all arms; each scores on branches of its own, alone."""
    held = {context: prefill(subject, context, needs) for context in grouped(request)}

    def branch(context: Context) -> Branch:
        return replace(held[context], cache=held[context].cache.branch())

    for arm in arms:
        response = None
        with arm.apply(subject):
            response = respond(subject, request, branch)
        if response is not None:
            yield arm, response


def prefill(subject: LoadedCausalLM, context: Context, needs: frozenset[Any]) -> Branch:
    return subject.prefill({"context": list(context.ids)}, needs, context.scored)


def respond(subject: LoadedCausalLM, request: dict[str, Any], prefilled: Callable[[Context], Branch]) -> Response:
    """Lets what is applied act once on each context, feeds each question once, then scores what follows it."""
    scores: list[dict[str, Any]] = [{} for _ in request["score"]]
    observed: list[dict[str, float]] = []
    ends: list[int] = []
    for context, questions in grouped(request).items():
        start = prefilled(context)
        branch, told_before = subject.act(start.cache, start.logits), start.told
        del start
        observed.append(branch.observed)
        for question, numbers in questions.items():
            if context.scored:
                for number in numbers:
                    scores[number] = plain(told_before)
                ends.append(branch.cache.resident_bytes())
                subject.mark("score")
                continue
            asked = own(branch.cache, last=question == [*questions][-1])
            logits = ask(subject, asked, list(question)) if question else branch.logits
            for number in numbers:
                cache = own(asked, last=number == numbers[-1])
                scores[number] = score(subject, cache, logits, request["score"][number])
                ends.append(cache.resident_bytes())
                subject.mark("score")
    seen = summed_up(observed) | {"end_resident_bytes": float(max(ends))}
    return Response({"scores": scores}, seen | subject.blocks.observed() | subject.linears.observed())


def grouped(request: dict[str, Any]) -> dict[Context, dict[Ids, list[int]]]:
    """Numbers of the continuations, by their question within their context, in the order they come."""
    groups: dict[Context, dict[Ids, list[int]]] = {}
    for number, item in enumerate(request["score"]):
        context, question = Context(tuple(item["context"]), 0), tuple(item["question"])
        if item.get("phase") == "prefill":
            whole = (*context.ids, *question, *item["continuation"])
            context, question = Context(whole, len(item["continuation"])), ()
        groups.setdefault(context, {}).setdefault(question, []).append(number)
    return groups


def own(cache: Cache, last: bool) -> Cache:
    """A cache to go on with: a copy, but for the last that needs it."""
    return cache if last else cache.copy()


def ask(subject: LoadedCausalLM, cache: Cache, question: list[int]) -> Tensor:
    """Feeds a question at once, as it is before decoding; logits of the next token, [vocabulary]."""
    cache.reserve(len(question))
    return subject.feed([cache], [question])[0]


def score(subject: LoadedCausalLM, cache: Cache, logits: Tensor, item: dict[str, Any]) -> dict[str, Any]:
    """Log-probability of each token of a continuation, in nats, and whether it was the likeliest.

    They are fed one by one where that is asked, and where rows come and go as tokens are decoded.

    Args:
        logits: of the first token, [vocabulary].
    """
    continuation = item["continuation"]
    fed, wanted = continuation[:-1], torch.tensor(continuation, device=subject.device)
    growing = all(getattr(layer.storage, "append_only", False) for layer in cache.layers)
    size = AT_ONCE if growing and item.get("phase") != "decode" else 1
    cache.expect(len(fed))
    found = [told(logits[None], wanted[:1])]
    for start in range(0, len(fed), size):
        chunk = fed[start : start + size]
        with subject.blocks.decoding():
            rows = subject.logits([cache], [chunk], last=len(chunk))[0]
        found.append(told(rows, wanted[start + 1 : start + 1 + len(chunk)]))
    return plain([torch.cat(parts) for parts in zip(*found, strict=True)])


def plain(found: Sequence[Tensor]) -> dict[str, Any]:
    logprobs, likeliest = found
    return {"logprobs": logprobs.tolist(), "likeliest": likeliest.tolist()}


def told(logits: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Of each token under its row of logits, [tokens, vocabulary]: log-probability, and whether it was highest."""
    logprobs = logits.float().log_softmax(dim=-1)
    return logprobs.gather(-1, tokens[:, None])[:, 0], logits.argmax(dim=-1) == tokens


def summed_up(observed: Sequence[dict[str, float]]) -> dict[str, float]:
    """Rows as means over contexts, bytes as sums."""
    total = {name: sum(one[name] for one in observed) for name in observed[0]}
    return {name: value if name.endswith("_bytes") else value / len(observed) for name, value in total.items()}
