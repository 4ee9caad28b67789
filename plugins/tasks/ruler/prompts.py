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


class Draft(Protocol):
    """A sample whose draws are made: the same needles at any number of haystack units."""

    least: int  # the fewest units that can hold it

    def prompt(self, units: int) -> Prompt: ...


class Subtask(Protocol):
    @property
    def answer_tokens(self) -> int:
        """RULER's budget for the answer."""
        ...

    @property
    def answer_length(self) -> int:
        """Characters of a full answer."""
        ...

    @property
    def material(self) -> frozenset[str]:
        """What it is made of, by the names that `Material.source` knows."""
        ...

    def draft(self, name: str, material: Material) -> Draft:
        """The sample so named; everything random in it follows from its name."""
        ...

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
