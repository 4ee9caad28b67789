"""RULER's variable tracking: a chain of assignments, scattered over noise; which variables hold the value?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from string import ascii_uppercase

from .matching import share_found
from .needles import NOISE
from .prompts import Prompt, Wanted

OPENING = "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n{text}\n"
QUESTION = "Question: Find all variables that are assigned the value {value} in the text above."
PREFIX = (
    "Answer: According to the chain(s) of variable assignment in the text above, "
    "{count} variables are assgined the value {value}, they are: "  # RULER's spelling, and its space at the end
)
VARIABLES = 5  # one chain of four hops
EXAMPLE_LINES = 10  # what RULER's rule, fives of lines within 500 tokens, gives for 22 to 29 tokens a line


class Tracking:
    answer_tokens = short_tokens = 30
    answer_length = VARIABLES * 6
    material = frozenset[str]()
    uneven = False

    def draft(self, wanted: Wanted) -> TrackingDraft:
        return TrackingDraft(wanted.name)

    def score(self, answer: str, references: Sequence[str]) -> float:
        return share_found(answer, references)


@dataclass(frozen=True)
class Chain:
    names: tuple[str, ...]
    value: int

    @classmethod
    def drawn(cls, rng: Random, letters: int) -> Chain:
        names: list[str] = []
        while len(names) < VARIABLES:
            name = "".join(rng.choices(ascii_uppercase, k=letters))
            if name not in (*names, "VAR"):
                names.append(name)
        return cls(tuple(names), rng.randrange(10_000, 99_999))

    def asked(self, lines: int, places: Sequence[int]) -> Prompt:
        """The chain's assignments in order, each before the noise line of its place."""
        copies = (f"VAR {to} = VAR {source} " for source, to in pairwise(self.names))
        assignments = [f"VAR {self.names[0]} = {self.value}", *copies]
        said = [NOISE + "\n"] * lines
        for shift, (place, assignment) in enumerate(zip(places, assignments, strict=True)):
            said.insert(place + shift, assignment)
        return Prompt(
            context=OPENING.format(text=" ".join(said)),
            question=QUESTION.format(value=self.value),
            prefix=PREFIX.format(count=VARIABLES, value=self.value),
            references=self.names,
        )


class TrackingDraft:
    """A solved example with short names, then the chain that is asked about; units are lines of noise."""

    least = VARIABLES + 1
    most = None

    def __init__(self, name: str) -> None:
        self.name = name
        rng = Random(name)
        self.example = Chain.drawn(rng, letters=3)
        self.chain = Chain.drawn(rng, letters=5)
        self.example_places = sorted(rng.sample(range(EXAMPLE_LINES), VARIABLES))

    def prompt(self, units: int) -> Prompt:
        solved = self.example.asked(EXAMPLE_LINES, self.example_places)
        asked = self.chain.asked(units, self.places(units))
        example = f"{solved.context}{solved.question} {solved.prefix} {' '.join(solved.references)}\n\n\n\n"
        return Prompt(example + asked.context, asked.question, asked.prefix, asked.references)

    def places(self, units: int) -> list[int]:
        return sorted(Random(f"{self.name}/places/{units}").sample(range(units), VARIABLES))
