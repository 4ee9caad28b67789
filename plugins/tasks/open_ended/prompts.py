"""Texts to continue: windows of the essays, or of a file."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from harness.api import Sample, SourceError
from harness_plugins.subjects.causal_lm import essays
from harness_plugins.subjects.causal_lm.documents import Documents, of_essays, of_file

if TYPE_CHECKING:
    from .plugin import OpenEnded


def documents(task: OpenEnded) -> Documents:
    """What is continued.

    Raises:
        SourceError: it can't be had.
    """
    if task.text is not None:
        return of_file(task.text, "open_ended.text")
    return of_essays(task.part)


class Prompts(Sequence[Sample]):
    """Each from another document while there are others, in an order drawn by the seed."""

    def __init__(self, task: OpenEnded, processor: Any, seed: int) -> None:
        self.task, self.processor, self.seed = task, processor, seed
        start, found = list(processor.start_ids), documents(task)
        size = task.context - len(start)
        windows = {name: essays.windows(processor.encode(text), size) for name, text in found.texts.items()}
        self.start, self.one = start, len(windows) == 1
        self.windows = {name: ids for name, ids in windows.items() if ids}
        total = sum(map(len, self.windows.values()))
        if size < 1 or total < task.samples:
            raise SourceError(
                f"{found.source.name} holds {total:,} windows of {task.context} tokens, open_ended.samples is "
                f"{task.samples}; lower it, or the context, or give a longer text"
            )
        self.places = self._places(Random(f"open_ended/{seed}"))

    def _places(self, random: Random) -> list[tuple[str, int]]:
        """Windows, a round over all documents after another."""
        names = random.sample(sorted(self.windows), len(self.windows))
        orders = {name: random.sample(range(len(self.windows[name])), len(self.windows[name])) for name in names}
        rounds = range(max(map(len, orders.values())))
        return [(name, orders[name][turn]) for turn in rounds for name in names if turn < len(orders[name])]

    def __len__(self) -> int:
        return self.task.planned()

    def __getitem__(self, number: int) -> Sample:
        if not 0 <= number < len(self):
            raise IndexError(f"sample {number} of {len(self)}")
        name, window = self.places[number]
        ids = self.windows[name][window]
        random = Random(f"open_ended/{self.seed}/{number}")
        request = {
            "context": [*self.start, *ids],
            "question": [],
            "question_seen": True,
            "new_tokens": self.task.new_tokens,
            "stop": [],
            "banned": list(self.processor.stop_ids),
            "surprise": True,
            "seeds": [random.getrandbits(32) for _ in range(self.task.continuations)],
        }
        where = {"document": name, "token": window * len(ids)}
        return Sample(number, "text", request, where, self.processor.decode(ids), cluster=None if self.one else name)
