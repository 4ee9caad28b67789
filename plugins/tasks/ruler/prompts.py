"""A prompt in its parts and in tokens, and what makes one: a subtask drafts a sample of open size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from harness.api import IncompatibleError

if TYPE_CHECKING:
    from .material import Material


@dataclass(frozen=True)
class Prompt:
    """One question in its parts; RULER's text is `context + question + " " + prefix`."""

    context: str  # up to the question, its line break included
    question: str
    prefix: str  # the beginning of the answer
    references: tuple[str, ...]


class Wanted(NamedTuple):
    """Which sample is to be drafted; everything random in it follows from its name."""

    series: str  # the seed and the subtask: "ruler/0/vt"
    number: int  # of the sample within its subtask
    context: int  # tokens that prompt and answer may take
    material: Material

    @property
    def name(self) -> str:
        return f"{self.series}/{self.number}"


class Draft(Protocol):
    """A sample whose draws are made: it asks the same at any number of haystack units."""

    @property
    def least(self) -> int:
        """The fewest units that can hold it."""
        ...

    @property
    def most(self) -> int | None:
        """All the units there are; None where they have no end."""
        ...

    def prompt(self, units: int) -> Prompt: ...


class Subtask(Protocol):
    @property
    def answer_tokens(self) -> int:
        """RULER's budget for the answer."""
        ...

    @property
    def short_tokens(self) -> int:
        """The same, but 32 where one number is asked for."""
        ...

    @property
    def answer_length(self) -> int:
        """Characters of a full answer; its tokens may be as many, where digits are tokens of their own."""
        ...

    @property
    def material(self) -> frozenset[str]:
        """What it is made of, by the names that `Material.source` knows."""
        ...

    @property
    def uneven(self) -> bool:
        """Whether the least that its samples take differs much."""
        ...

    def draft(self, wanted: Wanted) -> Draft: ...

    def score(self, answer: str, references: Sequence[str]) -> float: ...


class Text(NamedTuple):
    whole: str
    question: int  # where the question begins


class Tokens(NamedTuple):
    context: list[int]
    question: list[int]  # and the answer's prefix


@dataclass(frozen=True)
class Reader:
    """Turns prompts into the text and the tokens that a model reads."""

    processor: Any
    chat: bool

    def text(self, prompt: Prompt) -> Text:
        if not self.chat:
            return Text(f"{prompt.context}{prompt.question} {prompt.prefix}", len(prompt.context))
        turn = self.processor.chat(prompt.context + prompt.question)
        if prompt.question not in turn:
            raise IncompatibleError("the model's chat template rewrites the question; remove ruler.chat_template")
        return Text(turn + prompt.prefix, turn.rindex(prompt.question))

    def size(self, prompt: Prompt) -> int:
        return len(self.start) + len(self.processor.encode(self.text(prompt).whole))

    def tokens(self, prompt: Prompt) -> Tokens:
        """Tokens of the whole text, parted where the question begins.

        The text is encoded as one, so the parts together are exactly the model's own tokens of it; a
        token that holds the context's end and the question's beginning counts as question.
        """
        text = self.text(prompt)
        whole, context = self.processor.encode(text.whole), self.processor.encode(text.whole[: text.question])
        agreeing = takewhile(lambda pair: pair[0] == pair[1], zip(whole, context, strict=False))
        parting = sum(1 for _ in agreeing)
        return Tokens(self.start + whole[:parting], whole[parting:])

    @property
    def start(self) -> list[int]:
        """Tokens that begin every text of this model; a chat template writes them itself."""
        return [] if self.chat else list(getattr(self.processor, "start_ids", ()))
