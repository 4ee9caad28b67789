"""Windows that slide over a text: so many tokens of context, then those that are scored."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from harness.api import Sample, SourceError

from .texts import texts

if TYPE_CHECKING:
    from .plugin import Perplexity


class Windows(Sequence[Sample]):
    """All windows of a text in an order drawn by the seed: any number of the first is a fair sample of it."""

    def __init__(self, task: Perplexity, processor: Any, seed: int) -> None:
        self.task, self.processor = task, processor
        start = list(processor.start_ids)
        found = texts(task)
        self.documents = {name: [*start, *processor.encode(text)] for name, text in found.texts.items()}
        self.source = found.source
        size = task.context + task.stride
        places = [
            (name, place)
            for name, ids in self.documents.items()
            for place in range(0, len(ids) - size + 1, task.stride)
        ]
        if len(places) < task.samples:
            raise SourceError(
                f"{self.source.name} holds {len(places):,} windows of {size} tokens, "
                f"perplexity.samples is {task.samples}; lower it, or the context or stride, or give a longer text"
            )
        self.places = Random(f"perplexity/{seed}").sample(places, len(places))

    def __len__(self) -> int:
        return self.task.planned()

    def __getitem__(self, number: int) -> Sample:
        if not 0 <= number < len(self):
            raise IndexError(f"sample {number} of {len(self)}")
        name, place = self.places[number]
        context, stride = self.task.context, self.task.stride
        ids = self.documents[name][place : place + context + stride]
        # While decoding the last token of the context is the first one fed, and its own score is not asked for.
        cut = context if self.task.phase == "prefill" else context - 1
        item = {"context": ids[:cut], "question": [], "continuation": ids[cut:], "phase": self.task.phase}
        size = self._bytes(ids) - self._bytes(ids[:context])
        return Sample(
            number,
            "text",
            {"score": [item]},
            target={"text": self.processor.decode(ids[context:]), "bytes": size, "document": name, "token": place},
            prompt=self.processor.decode(ids[:context]),
            cluster=name if len(self.documents) > 1 else None,
        )

    def _bytes(self, ids: list[int]) -> int:
        """Of the characters that are whole: windows begin and end inside of some."""
        return len(self.processor.decode(ids).strip("\ufffd").encode())
