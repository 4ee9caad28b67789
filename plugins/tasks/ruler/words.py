"""RULER's aggregation subtasks: the most common words of a list, the most frequent words of a coded text."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi
from random import Random
from string import ascii_lowercase
from typing import NamedTuple

from .matching import share_found
from .prompts import Prompt, Wanted

COMMON_OPENING = (
    "Below is a numbered list of words. In these words, some appear more often than others. "
    "Memorize the ones that appear most often.\n{text}\n"
)
COMMON_QUESTION = "Question: What are the 10 most common words in the above list?"
COMMON_PREFIX = "Answer: The top 10 words that appear most often in the list are:"
COMMON = 10
LONG_CONTEXT = 4096  # from here on words are repeated more often

CODED_OPENING = (
    "Read the following coded text and track the frequency of each coded word. "
    "Find the three most frequently appeared coded words. {text}\n"
)
CODED_QUESTION = (
    "Question: Do not provide any explanation. Please ignore the dots '....'. "
    "What are the three most frequently appeared words in the above coded text?"
)
CODED_PREFIX = "Answer: According to the coded text above, the three most frequently appeared words are:"
NOISE = "..."  # the most frequent of all, and not asked for
FREQUENT = 3
LETTERS = 6
ALPHA = 2.0
ZETA = pi**2 / 6  # of ALPHA


class Repeats(NamedTuple):
    common: int
    others: int


class CommonWords:
    """Ten words of a numbered list are repeated more often than the others: which?"""

    answer_tokens = short_tokens = 120
    answer_length = COMMON * 12
    material = frozenset({"vocabulary"})
    uneven = False

    def draft(self, wanted: Wanted) -> CommonDraft:
        return CommonDraft(wanted.name, wanted.material.vocabulary, long=wanted.context >= LONG_CONTEXT)

    def score(self, answer: str, references: Sequence[str]) -> float:
        return share_found(answer, references)


class CommonDraft:
    """A short solved list, then the list that is asked about; units are different words."""

    least = COMMON + 1

    def __init__(self, name: str, vocabulary: list[str], *, long: bool) -> None:
        self.name = name
        self.most = len(vocabulary)
        self.repeats, self.example_repeats = (
            (Repeats(30, 3), Repeats(10, 3)) if long else (Repeats(6, 1), Repeats(3, 1))
        )
        rng = Random(name)
        self.example = rng.sample(vocabulary, 40 if long else 20)
        self.words = rng.sample(vocabulary, len(vocabulary))

    def prompt(self, units: int) -> Prompt:
        solved = listing(self.example, self.example_repeats, Random(f"{self.name}/example"))
        asked = listing(self.words[:units], self.repeats, Random(f"{self.name}/order/{units}"))
        # RULER puts no space between the prefix and the example's answer.
        answer = f"{COMMON_QUESTION} {COMMON_PREFIX}{numbered(self.example[:COMMON])}"
        return Prompt(
            context=f"{COMMON_OPENING.format(text=solved)}{answer}\n{COMMON_OPENING.format(text=asked)}",
            question=COMMON_QUESTION,
            prefix=COMMON_PREFIX,
            references=tuple(self.words[:COMMON]),
        )


def listing(words: list[str], repeats: Repeats, rng: Random) -> str:
    """Every word repeated, the first ten the more, in any order."""
    repeated = [*words[:COMMON] * repeats.common, *words[COMMON:] * repeats.others]
    rng.shuffle(repeated)
    return numbered(repeated)


def numbered(words: list[str]) -> str:
    return " ".join(f"{number}. {word}" for number, word in enumerate(words, 1))


class CodedWords:
    """Made-up words whose frequencies follow a zeta distribution: which are the three most frequent?"""

    answer_tokens = short_tokens = 50
    answer_length = FREQUENT * (LETTERS + 2)
    material = frozenset[str]()
    uneven = False

    def draft(self, wanted: Wanted) -> CodedDraft:
        return CodedDraft(wanted.name, wanted.context // 50)

    def score(self, answer: str, references: Sequence[str]) -> float:
        return share_found(answer, references)


class CodedDraft:
    """Words by rank; units are the length of a text of which only whole counts are written."""

    least = 53  # from here on the third word is more frequent than the fourth
    most = None

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        rng = Random(name)
        self.ranked = [NOISE]
        while len(self.ranked) < max(size, FREQUENT + 1):
            word = "".join(rng.choices(ascii_lowercase, k=LETTERS))
            if word not in self.ranked:
                self.ranked.append(word)

    def prompt(self, units: int) -> Prompt:
        return Prompt(
            context=CODED_OPENING.format(text=" ".join(self.text(units))),
            question=CODED_QUESTION,
            prefix=CODED_PREFIX,
            references=tuple(self.ranked[1 : FREQUENT + 1]),
        )

    def text(self, units: int) -> list[str]:
        """Every word as often as its rank says, in any order."""
        counts = [int(units * rank**-ALPHA / ZETA) for rank in range(1, len(self.ranked) + 1)]
        written = [word for word, count in zip(self.ranked, counts, strict=True) for _ in range(count)]
        Random(f"{self.name}/order/{units}").shuffle(written)
        return written
