"""Samples of RULER, each made when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.api import IncompatibleError, Sample

from .fit import largest
from .material import Material
from .prompts import Draft, Prompt, Reader
from .subtasks import SUBTASKS

if TYPE_CHECKING:
    from .plugin import Ruler


class Samples(Sequence[Sample]):
    """Subtasks take turns, so that asking for more of each extends the row."""

    def __init__(self, task: Ruler, processor: Any, seed: int) -> None:
        self.task = task
        self.seed = seed
        self.stop = list(processor.stop_ids)
        self.reader = Reader(processor, task.chat_template)
        self.material = Material(task.essays)

    def __len__(self) -> int:
        return self.task.planned()

    def __getitem__(self, number: int) -> Sample:
        if not 0 <= number < len(self):
            raise IndexError(f"sample {number} of {len(self)}")
        index, turn = divmod(number, len(self.task.subtasks))
        subtask = self.task.subtasks[turn]
        draft = SUBTASKS[subtask].draft(f"ruler/{self.seed}/{subtask}/{index}", self.material)
        prompt = draft.prompt(self.units(draft, subtask))
        return Sample(
            number=number,
            stratum=subtask,
            request=self.request(prompt),
            target=list(prompt.references),
            prompt=self.reader.text(prompt).whole,
        )

    def units(self, draft: Draft, subtask: str) -> int:
        """How much haystack fills the context and does not pass it."""
        task, reader = self.task, self.reader
        units = largest(lambda units: reader.size(draft.prompt(units)), task.context - task.new_tokens, draft.least)
        if units is None:
            raise IncompatibleError(
                f"ruler.context={task.context} is too short for {subtask}: its shortest prompt and the answer take "
                f"{reader.size(draft.prompt(draft.least)) + task.new_tokens} tokens; raise it"
            )
        return units

    def request(self, prompt: Prompt) -> dict[str, Any]:
        context, question = self.reader.tokens(prompt)
        seen = self.task.question == "before"
        return {
            "context": context + question if seen else context,
            "question": [] if seen else question,
            "question_seen": seen,
            "new_tokens": self.task.new_tokens,
            "stop": self.stop,
        }
