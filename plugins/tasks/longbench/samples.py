"""Samples of LongBench, each made when it is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.api import IncompatibleError, Sample

from .datasets import DATASETS
from .prompts import Reader, Tokens, filled
from .records import Record

if TYPE_CHECKING:
    from .plugin import LongBench


class Draw(NamedTuple):
    stratum: str
    record: Record


def drawn(strata: Mapping[str, Sequence[Record]], samples: int | None, seed: int) -> list[Draw]:
    """Records of each stratum in an order that the seed decides; strata take turns, so that more extend the row."""
    orders = {
        stratum: Random(f"longbench/{seed}/{stratum}").sample(records, len(records))
        for stratum, records in strata.items()
    }
    most = max(len(order) for order in orders.values())
    turns = range(most if samples is None else min(samples, most))
    return [Draw(stratum, order[turn]) for turn in turns for stratum, order in orders.items() if turn < len(order)]


class Samples(Sequence[Sample]):
    def __init__(self, task: LongBench, processor: Any, seed: int) -> None:
        self.task = task
        self.processor = processor
        self.stop = list(processor.stop_ids)
        self.draws = drawn(task.strata(), task.samples, seed)

    def __len__(self) -> int:
        return len(self.draws)

    def __getitem__(self, number: int) -> Sample:
        if not 0 <= number < len(self):
            raise IndexError(f"sample {number} of {len(self)}")
        stratum, record = self.draws[number]
        name = self.task.dataset_of(stratum)
        dataset, new_tokens = DATASETS[name], self.task.answer_tokens(name)
        reader = Reader(self.processor, self.task.chat_template and dataset.chats)
        fitted = reader.fitted(filled(dataset, record), self.task.limit - new_tokens)
        if fitted is None:
            raise IncompatibleError(
                f"longbench.context={self.task.limit} leaves no room for a prompt of {name}; raise it"
            )
        return Sample(
            number=number,
            stratum=stratum,
            request=self.request(fitted.tokens, new_tokens, record),
            target={"answers": list(record.answers)} | ({"classes": list(record.classes)} if record.classes else {}),
            prompt=fitted.text,
            cluster=hashlib.sha256(record.context.encode()).hexdigest()[:16],
        )

    def request(self, tokens: Tokens, new_tokens: int, record: Record) -> dict[str, Any]:
        seen = self.task.question == "before"
        return {
            "context": tokens.context + tokens.question if seen else tokens.context,
            "question": [] if seen else tokens.question,
            "question_seen": seen,
            "new_tokens": new_tokens,
            "stop": self.stop,
            "record": record.id,
        }
