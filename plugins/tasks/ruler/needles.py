"""RULER's needle subtasks: facts hidden in a haystack, some of them asked for.

Words, templates and the places of needles are RULER's, as lm-eval has them; a test compares.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

from .matching import share_found
from .prompts import Prompt, Wanted

if TYPE_CHECKING:
    from .material import Material

TEMPLATE = (
    "Some special magic {kind} are hidden within the following text. Make sure to memorize it. "
    "I will quiz you about the {kind} afterwards.\n{context}\n"
    "What are all the special magic {kind} for {query} mentioned in the provided text?"
)
PREFIX = "The special magic {kind} for {query} mentioned in the provided text are"
NEEDLE = "One of the special magic {kind} for {key} is: {value}."
NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
DEPTHS = tuple(round(100 * step / 39) for step in range(40))  # where in an essay a needle may lie, in percent


@dataclass(frozen=True)
class Needles:
    """One needle subtask: what the haystack is, what is hidden in it, how much of that is asked for."""

    haystack: str  # "repeat": a noise sentence a line; "needle": a needle a line; "essay": words of essays
    key: str = "words"
    value: str = "numbers"
    keys: int = 1
    values: int = 1  # of each key
    queries: int = 1

    answer_tokens = 128
    uneven = False

    @property
    def short_tokens(self) -> int:
        return 32 if self.asks_one and self.value == "numbers" else self.answer_tokens

    @property
    def material(self) -> frozenset[str]:
        words = {"words"} if self.key == "words" else set()
        return frozenset(words | ({"essays"} if self.haystack == "essay" else set()))

    @property
    def answer_length(self) -> int:
        value = 7 if self.value == "numbers" else 36
        return self.queries * self.values * (value + 2)

    @property
    def asks_one(self) -> bool:
        return self.queries * self.values == 1

    def draft(self, wanted: Wanted) -> NeedleDraft:
        return NeedleDraft(self, wanted.name, wanted.material)

    def score(self, answer: str, references: Sequence[str]) -> float:
        return share_found(answer, references)

    def template(self) -> str:
        if not self.asks_one:
            return TEMPLATE
        return TEMPLATE.replace("Some", "A").replace("are all", "is").replace("are", "is")

    def prefix(self, query: str) -> str:
        prefix = PREFIX.removesuffix("are") + "is" if self.asks_one else PREFIX
        return prefix.format(kind=self.kind, query=query)

    @property
    def kind(self) -> str:
        return self.value.removesuffix("s") if self.asks_one else self.value


NEEDLES: Mapping[str, Needles] = {
    "niah_single_1": Needles("repeat"),
    "niah_single_2": Needles("essay"),
    "niah_single_3": Needles("essay", value="uuids"),
    "niah_multikey_1": Needles("essay", keys=4),
    "niah_multikey_2": Needles("needle"),
    "niah_multikey_3": Needles("needle", key="uuids", value="uuids"),
    "niah_multivalue": Needles("essay", values=4),
    "niah_multiquery": Needles("essay", keys=4, queries=4),
}


class NeedleDraft:
    """Keys, values, their order, depths and queries, drawn once; a haystack of any size around them."""

    most = None

    def __init__(self, subtask: Needles, name: str, material: Material) -> None:
        self.subtask = subtask
        self.name = name
        self.material = material
        rng = Random(name)
        self.keys: list[str] = []
        self.values: list[list[str]] = []
        for _ in range(subtask.keys):
            self.keys.append(self.draw(rng, subtask.key))
            self.values.append([self.draw(rng, subtask.value) for _ in range(subtask.values)])
        self.needles = [
            self.needle(key, value) for key, values in zip(self.keys, self.values, strict=True) for value in values
        ]
        rng.shuffle(self.needles)
        self.depths = sorted(rng.sample(DEPTHS, len(self.needles)))
        self.asked = rng.sample(range(subtask.keys), subtask.queries)
        self.least = len(self.needles)
        self._distractors: list[str] = []
        self._rng = Random(f"{name}/distractors")

    def prompt(self, units: int) -> Prompt:
        subtask, query = self.subtask, listed([self.keys[index] for index in self.asked])
        hay = self.essay(units) if subtask.haystack == "essay" else self.lines(units)
        opening, closing = subtask.template().split("{context}\n")
        return Prompt(
            context=opening.format(kind=subtask.kind) + hay + "\n",
            question=closing.format(kind=subtask.kind, query=query),
            prefix=subtask.prefix(query),
            references=tuple(value for index in self.asked for value in self.values[index]),
        )

    def essay(self, units: int) -> str:
        """`units` words of essays, the needles between their sentences."""
        found = self.material.sentences(units)
        cuts = [0, *(int(len(found) * (depth / 100)) for depth in self.depths), len(found)]
        chunks = [" ".join(found[start:end]) for start, end in pairwise(cuts)]
        hidden = [part for pair in zip(chunks, self.needles, strict=False) for part in pair]
        return " ".join([*hidden, chunks[-1]])

    def lines(self, units: int) -> str:
        """`units` lines of noise, the needles between them."""
        lines = [NOISE] * units if self.subtask.haystack == "repeat" else self.distractors(units)
        for place, needle in zip(self.places(units), self.needles, strict=True):
            lines.insert(place, needle)
        return "\n".join(lines)

    def places(self, units: int) -> list[int]:
        """Lines before which the needles lie, last first."""
        return sorted(Random(f"{self.name}/places/{units}").sample(range(units), len(self.needles)), reverse=True)

    def distractors(self, units: int) -> list[str]:
        """The first `units` of an endless row of needles that are never asked for."""
        while len(self._distractors) < units:
            key, value = self.draw(self._rng, self.subtask.key), self.draw(self._rng, self.subtask.value)
            self._distractors.append(self.needle(key, value))
        return self._distractors[:units]

    def needle(self, key: str, value: str) -> str:
        return NEEDLE.format(kind=self.subtask.value, key=key, value=value)

    def draw(self, rng: Random, kind: str) -> str:
        if kind == "numbers":
            return str(rng.randint(1_000_000, 9_999_999))
        if kind == "uuids":
            return str(uuid.UUID(int=rng.getrandbits(128), version=4))
        return self.material.word(rng)


def listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])}, and {names[-1]}"
