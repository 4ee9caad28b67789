"""A loaded causal language model: prefills once for many methods, lets them act, decodes."""

from __future__ import annotations

import inspect
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any
from zlib import crc32

import torch
from torch import Tensor, nn

from harness.api import Arm, Reading, Response

from . import sampling, scoring
from .attention import Batch, install
from .blocks import Blocks
from .cache import Cache, Layer
from .linears import Linears
from .plugin import CausalLM
from .prefilling import Prefilled, adopted, unrouted
from .rotation import Rotation
from .sampling import Chooser, Sampling

# Sequences decoded in one step. Below three it is no faster on a CPU, whose product of a matrix with
# one vector is its fastest; alone, a sequence gives bit for bit what transformers gives.
FEWEST_TOGETHER, MOST_TOGETHER = 3, 32


@dataclass
class Branch:
    """One arm's own continuation of a prefilled context."""

    cache: Cache
    logits: Tensor  # of the next token, [vocabulary]
    observed: dict[str, float]
    told: tuple[Tensor, ...] = ()  # of the last tokens of the context, where they are scored: see scoring.told
    chooser: Chooser = field(default_factory=Chooser)
    tokens: list[int] = field(default_factory=list)
    finished: bool = False


class LoadedCausalLM(CausalLM):
    def __init__(self, model: nn.Module, attention: str) -> None:
        self.model = model.eval()
        self.device = next(model.parameters()).device
        self.dtype = next(model.parameters()).dtype
        self.attentions = install(model, attention)
        self.blocks = Blocks(model, self.attentions)
        self.linears = Linears(model, self.blocks.modules)
        self.rotation = Rotation.of(model, self.attentions[0])
        parameters = inspect.signature(model.forward).parameters
        self._cache_word = "cache" if "cache" in parameters else "past_key_values"
        self._after_prefill: list[Callable[[Cache], None]] = []
        self._prefill: list[Callable[[list[int], int], Prefilled]] = []
        self._attention = attention
        self._next_token: list[Callable[[], Sampling]] = []

    @torch.no_grad()
    def verify(self) -> None:
        """Checks on a few tokens that the model answers the same through this cache as without one.

        Raises:
            ValueError: it does not.
        """
        ids = list(range(3, 15))
        cache = Cache([Layer(index, self.rotation) for index in range(len(self.attentions))])
        self.feed([cache], [ids[:8]])
        logits = self.feed([cache], [ids[8:]])[0]
        alone = self.model(input_ids=torch.tensor([ids], device=self.device), use_cache=False).logits[0, -1]
        tolerance = 1e-3 if self.dtype == torch.float32 else 0.1
        if not torch.allclose(logits, alone, rtol=tolerance, atol=tolerance * float(alone.abs().max())):
            raise ValueError("its logits differ")

    def at(self, seam: str, action: Callable[..., Any]) -> AbstractContextManager[None]:
        if seam in ("blocks", "weights"):
            return {"blocks": self.blocks.at, "weights": self.linears.at}[seam](action)
        acting: dict[str, list[Any]] = {
            "after_prefill": self._after_prefill,
            "prefill": self._prefill,
            "next_token": self._next_token,
        }
        return self._acting(acting[seam], action)

    @contextmanager
    def _acting(self, actions: list[Any], action: Callable[..., Any]) -> Iterator[None]:
        actions.append(action)
        try:
            yield
        finally:
            actions.remove(action)

    def unrouted(self) -> AbstractContextManager[None]:
        """Its model attends as transformers would have it."""
        return unrouted(self.model, self.attentions, self._attention)

    def synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    @torch.no_grad()
    def answer(self, request: dict[str, Any], arms: Sequence[Arm]) -> Iterable[tuple[Arm, Response]]:
        """One prefill serves every arm that acts after it; so do decode steps where rounding can't change an answer.

        In float32 the rows of a batch differ from a row alone by about 1e-6; in half precision by
        enough to turn answers, so there each sequence is decoded alone.
        """
        sharing = [arm for arm in arms if all(self.seams[seam].shared for seam in arm.stack.seams)]
        if len(sharing) < 2:
            yield from super().answer(request, arms)
            return
        needs = frozenset().union(*(arm.stack.needs() for arm in sharing))
        apart = [arm for arm in arms if arm not in sharing]
        if "score" in request:
            yield from scoring.answer(self, request, sharing, needs)
            yield from super().answer(request, apart)
            return
        prefilled = self.prefill(request, needs)
        sequences = len(request.get("seeds", [0]))
        if not self._together(sequences * len(sharing)):
            yield from self._answer_apart(request, prefilled, sharing)
        else:
            size = max(1, MOST_TOGETHER // sequences)
            for start in range(0, len(sharing), size):
                yield from self._answer_together(request, prefilled, sharing[start : start + size])
        del prefilled
        yield from super().answer(request, apart)

    def _answer_together(
        self, request: dict[str, Any], prefilled: Branch, arms: Sequence[Arm]
    ) -> Iterable[tuple[Arm, Response]]:
        begun = []
        for arm in arms:
            with arm.apply(self):
                begun.append((arm, self.begin(prefilled.cache.branch(), prefilled.logits, request)))
        try:
            self.decode([branch for _, branches in begun for branch in branches], request)
        except Exception:
            # Whose method raised is not known here: decode arm by arm, each inside its own context.
            yield from self._answer_apart(request, prefilled, [arm for arm, _ in begun])
            return
        for arm, branches in begun:
            yield arm, self.response(branches, request)

    def _answer_apart(
        self, request: dict[str, Any], prefilled: Branch, arms: Sequence[Arm]
    ) -> Iterable[tuple[Arm, Response]]:
        for arm in arms:
            response = None
            with arm.apply(self):
                response = self._continued(prefilled.cache.branch(), prefilled.logits, request)
            if response is not None:
                yield arm, response

    @torch.no_grad()
    def respond(self, request: dict[str, Any], needs: frozenset[Any]) -> Response:
        self.blocks.forget()
        if "score" in request:
            return scoring.respond(self, request, lambda context: scoring.prefill(self, context, needs))
        prefilled = self.prefill(request, needs)
        return self._continued(prefilled.cache, prefilled.logits, request)

    def _continued(self, cache: Cache, logits: Tensor, request: dict[str, Any]) -> Response:
        branches = self.begin(cache, logits, request)
        for group in [branches] if self._together(len(branches)) else [[branch] for branch in branches]:
            self.decode(group, request)
        return self.response(branches, request)

    def _together(self, sequences: int) -> bool:
        """Whether so many are decoded in one step."""
        return self.dtype == torch.float32 and sequences >= FEWEST_TOGETHER

    def prefill(self, request: dict[str, Any], needs: frozenset[Any], scored: int = 0) -> Branch:
        """A context in a cache of its own, with the scores of its last tokens where these are asked for."""
        ids = request["context"]
        text = crc32(array("q", ids).tobytes())
        if self._prefill:
            found = self._prefill[-1](ids, scored + 1)
            cache, logits = adopted(found, len(ids), text, self.rotation), found.logits
        else:
            cache = Cache([Layer(index, self.rotation) for index in range(len(self.attentions))], text)
            logits = self.logits([cache], [ids], needs, last=scored + 1)[0]
        told = scoring.told(logits[:-1], torch.tensor(ids[len(ids) - scored :], device=self.device)) if scored else ()
        self.mark("prefill")
        return Branch(cache, logits[-1].clone(), {}, told)

    def act(self, cache: Cache, logits: Tensor) -> Branch:
        """Lets what is applied act on a prefilled cache, and observes what became of it."""
        seen, full = cache.cut or (cache.rows(), cache.full_bytes())
        for action in self._after_prefill:
            action(cache)
        for layer in cache.layers:
            layer.forget()
        self.mark("compress")
        observed = {
            "seen": seen,
            "kept": cache.rows(),
            "full_bytes": full,
            "resident_bytes": float(cache.resident_bytes()),
        }
        return Branch(cache, logits, observed)

    def begin(self, cache: Cache, logits: Tensor, request: dict[str, Any]) -> list[Branch]:
        """Lets what is applied act on a prefilled cache; a branch for each sequence that is asked for.

        What is at `next_token` now chooses their tokens to the end, also once it is applied no more.
        """
        first, seeds = self.act(cache, logits), request.get("seeds", [cache.text])
        return [
            replace(
                first,
                cache=scoring.own(first.cache, last=number == len(seeds)),
                chooser=Chooser.of(request, seed, [begin() for begin in self._next_token], self.device),
                tokens=[],
            )
            for number, seed in enumerate(seeds, start=1)
        ]

    def decode(self, branches: Sequence[Branch], request: dict[str, Any]) -> None:
        """Feeds the question, then decodes, all branches in step; extends their tokens."""
        question, stop, halt = request["question"], set(request["stop"]), set(request.get("halt", ()))
        steered = self.blocks.steered
        if not steered:
            for branch in branches:
                branch.cache.reserve(len(question) + request["new_tokens"])
        if question and branches:
            logits = self.feed([branch.cache for branch in branches], [question] * len(branches))
            for branch, row in zip(branches, logits, strict=True):
                branch.logits = row
        if steered:  # a block left out while decoding needs no room for the answer
            for branch in branches:
                branch.cache.expect(request["new_tokens"])
        for step in range(request["new_tokens"]):
            going = [branch for branch in branches if not branch.finished]
            if step and going:
                with self.blocks.decoding():
                    logits = self.feed([branch.cache for branch in going], [branch.tokens[-1:] for branch in going])
                for branch, row in zip(going, logits, strict=True):
                    branch.logits = row
            if not going:
                break
            for branch in going:
                token = branch.chooser.choose(branch.logits)
                branch.finished = token in stop or token in halt
                if token not in stop:
                    branch.tokens.append(token)
            self.mark("token")

    def feed(self, caches: Sequence[Cache], ids: Sequence[list[int]], needs: frozenset[Any] = frozenset()) -> Tensor:
        """Next-token logits after equally many new tokens in each cache, [rows, vocabulary]."""
        return self.logits(caches, ids, needs)[:, -1]

    def logits(
        self, caches: Sequence[Cache], ids: Sequence[list[int]], needs: frozenset[Any] = frozenset(), last: int = 1
    ) -> Tensor:
        """The same after each of the `last` new tokens, [rows, last, vocabulary]."""
        positions = [cache.positions(len(ids[0])) for cache in caches]
        table = torch.tensor([list(row) for row in positions], device=self.device)
        batch = Batch(caches, positions, needs)
        output = self.model(
            input_ids=torch.tensor(ids, device=self.device),
            position_ids=table,
            use_cache=True,
            logits_to_keep=last,
            **{self._cache_word: batch},
        )
        return output.logits

    def response(self, branches: Sequence[Branch], request: dict[str, Any]) -> Response:
        """The bytes are those of one sequence: its context is what methods acted on."""
        first = branches[0]
        observed = first.observed | {"end_resident_bytes": float(first.cache.resident_bytes())}
        observed |= self.blocks.observed() | self.linears.observed()
        observed |= sampling.observed([branch.chooser for branch in branches])
        outputs = [{"tokens": branch.tokens} | branch.chooser.told(len(branch.tokens)) for branch in branches]
        return Response({"continuations": outputs} if "seeds" in request else outputs[0], observed)

    def durations(self, start_ns: int, marks: Sequence[tuple[str, int]], end_ns: int) -> list[Reading]:
        """TTFT: request handed over until its first token is usable on the host. TPOT: (last − first) / (n − 1).

        A request may have several contexts; their prefills add up, and so do their compressions.
        """
        tokens = [ns for name, ns in marks if name == "token"]
        gaps = [(after - before) / 1e9 for before, after in pairwise(tokens)]
        spent: dict[str, int] = {}
        for (phase, ns), before in zip(marks, [start_ns, *(ns for _, ns in marks)], strict=False):
            spent[phase] = spent.get(phase, 0) + ns - before

        def reading(metric: str, ns: float | None, detail: dict[str, Any] | None = None) -> Reading:
            reason = "needs at least two new tokens" if tokens else "continuations are scored, none is decoded"
            value = None if ns is None else ns / 1e9
            return Reading(metric, value, "s", "perf_counter_ns", reason if ns is None else None, detail=detail)

        return [
            reading("latency_s", end_ns - start_ns),
            reading("ttft_s", tokens[0] - start_ns if tokens else None),
            reading("prefill_s", spent["prefill"]),
            reading("compress_s", spent["compress"]),
            reading("tpot_s", (tokens[-1] - tokens[0]) / (len(tokens) - 1) if gaps else None, {"itl_s": gaps}),
        ]
