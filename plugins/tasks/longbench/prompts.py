"""A prompt in its parts, cut in the middle where it is too long, and in tokens."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple

from harness.api import IncompatibleError

from .datasets import Dataset
from .records import Record


class Prompt(NamedTuple):
    """One prompt; its text is `context + question`."""

    context: str  # what the template opens with, and the document
    question: str  # what the template says after the document


class Text(NamedTuple):
    whole: str
    question: int  # where the question begins


class Tokens(NamedTuple):
    context: list[int]
    question: list[int]

    @property
    def size(self) -> int:
        return len(self.context) + len(self.question)


class Fitted(NamedTuple):
    text: str
    tokens: Tokens


def filled(dataset: Dataset, record: Record) -> Prompt:
    return Prompt(dataset.opening() + record.context, dataset.closing(record.question))


@dataclass(frozen=True)
class Reader:
    """Turns prompts into the text and the tokens that a model reads."""

    processor: Any
    chat: bool

    def fitted(self, prompt: Prompt, room: int) -> Fitted | None:
        """The prompt within `room` tokens, or None where not even two of its tokens fit.

        LongBench cuts the prompt, then puts it into the chat template and reads it anew, which takes a
        few tokens more: what is over `room` is cut as well.
        """
        limit = room
        while limit >= 2:
            text = self.text(self.shortened(prompt, limit))
            tokens = self.tokens(text)
            if tokens.size <= room:
                return Fitted(text.whole, tokens)
            limit -= tokens.size - room
        return None

    def shortened(self, prompt: Prompt, limit: int) -> Prompt:
        """LongBench's way: the first and the last half of `limit` tokens, and nothing between them."""
        tokens = self.start + self.processor.encode(prompt.context + prompt.question)
        if len(tokens) <= limit:
            return prompt
        half = limit // 2
        front, back = (self.processor.decode(part) for part in (tokens[:half], tokens[-half:]))
        parting = max(0, len(back) - len(prompt.question))
        return Prompt(front + back[:parting], back[parting:])

    def text(self, prompt: Prompt) -> Text:
        whole = prompt.context + prompt.question
        if not self.chat:
            return Text(whole, len(prompt.context))
        try:
            turn = self.processor.chat(whole)
        except ValueError as error:
            reason = str(error).splitlines()[0]
            raise IncompatibleError(
                f"the model has no chat template for longbench ({reason}); set task.chat_template=false"
            ) from error
        if prompt.question not in turn:
            raise IncompatibleError("the model's chat template rewrites the question; set task.chat_template=false")
        return Text(turn, turn.rindex(prompt.question))

    def tokens(self, text: Text) -> Tokens:
        """Tokens of the whole text, parted where the question begins.

        The text is encoded as one, so the parts together are exactly the model's own tokens of it; a
        token that holds the context's end and the question's beginning counts as question.
        """
        whole, context = self.processor.encode(text.whole), self.processor.encode(text.whole[: text.question])
        agreeing = takewhile(lambda pair: pair[0] == pair[1], zip(whole, context, strict=False))
        parting = sum(1 for _ in agreeing)
        start = [] if self.chat else self.start  # a chat template writes them itself
        return Tokens(start + whole[:parting], whole[parting:])

    @property
    def start(self) -> list[int]:
        """Tokens that begin every text of this model."""
        return list(getattr(self.processor, "start_ids", ()))
