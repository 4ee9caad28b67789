"""Samples of RULER, each made when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.api import IncompatibleError, Sample

from .fit import largest
from .material import Material
from .prompts import Draft, Prompt, Reader, Wanted
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
        self.material = Material(task.essays, task.paths)
        for name in task.subtasks:
            if SUBTASKS[name].uneven:
                self.demand_room(name)

    def __len__(self) -> int:
        return self.task.planned()

    def __getitem__(self, number: int) -> Sample:
        if not 0 <= number < len(self):
            raise IndexError(f"sample {number} of {len(self)}")
        index, turn = divmod(number, len(self.task.subtasks))
        subtask = self.task.subtasks[turn]
        draft = self.draft(subtask, index)
        prompt = draft.prompt(self.units(draft, subtask))
        return Sample(
            number=number,
            stratum=subtask,
            request=self.request(prompt, self.task.budget(subtask)),
            target=list(prompt.references),
            prompt=self.reader.text(prompt).whole,
        )

    def draft(self, subtask: str, index: int) -> Draft:
        wanted = Wanted(f"ruler/{self.seed}/{subtask}", index, self.task.context, self.material)
        return SUBTASKS[subtask].draft(wanted)

    def units(self, draft: Draft, subtask: str) -> int:
        """How much haystack fills the context and does not pass it."""
        limit = self.task.context - self.task.budget(subtask)
        units = largest(lambda units: self.reader.size(draft.prompt(units)), limit, draft.least, draft.most)
        if units is None:
            raise self.too_short(subtask, self.reader.size(draft.prompt(draft.least)))
        return units

    def demand_room(self, subtask: str) -> None:
        """Refuses a context that some sample does not fit, before any is answered."""
        drafts = (self.draft(subtask, index) for index in range(self.task.samples))
        longest = max(self.reader.size(draft.prompt(draft.least)) for draft in drafts)
        if longest > self.task.context - self.task.budget(subtask):
            raise self.too_short(subtask, longest)

    def too_short(self, subtask: str, prompt: int) -> IncompatibleError:
        return IncompatibleError(
            f"ruler.context={self.task.context} is too short for {subtask}: its shortest prompt and the answer take "
            f"{prompt + self.task.budget(subtask)} tokens; raise it"
        )

    def request(self, prompt: Prompt, new_tokens: int) -> dict[str, Any]:
        context, question = self.reader.tokens(prompt)
        seen = self.task.question == "before"
        return {
            "context": context + question if seen else context,
            "question": [] if seen else question,
            "question_seen": seen,
            "new_tokens": new_tokens,
            "stop": self.stop,
        }
