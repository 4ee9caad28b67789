"""RULER: 13 kinds of questions at the end of a long text (arXiv:2404.06654)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.api import IncompatibleError, KnobError, Metric, Sample, Score, Source, Task, hookimpl, knob, nearest

from .documents import FILES
from .subtasks import GROUPS, SUBTASKS, expanded

DEFAULT = ("niah_single_1", "niah_single_2", "niah_multikey_1")
BUDGETS = ("short", "ruler")


@dataclass(frozen=True)
class Ruler(Task):
    subtasks: tuple[str, ...] = knob(
        DEFAULT,
        choices=(*SUBTASKS, *GROUPS),
        help="which subtasks to ask, by name or group: niah (8), aggregation (cwe, fwe), qa (2), all (13)",
    )
    context: int = knob(1024, low=2, help="tokens that prompt and answer may take together")
    samples: int = knob(8, low=1, hashed=False, help="samples of each subtask")
    new_tokens: int | str = knob(
        "short",
        low=1,
        help="tokens an answer may take; ruler: RULER's 30 to 128; short: the same, but 32 where one number is asked",
    )
    timed_new_tokens: int = knob(16, low=1, help="tokens a timed answer takes, whatever is answered")
    essays: str | None = knob(None, help="text file to hide needles in; null: 49 essays by Paul Graham")
    # What these files hold is hashed as a source; where they lie changes nothing.
    squad_path: str | None = knob(None, hashed=False, help="SQuAD's dev-v2.0.json, which qa_squad asks from")
    hotpotqa_path: str | None = knob(
        None, hashed=False, help="HotpotQA's hotpot_dev_distractor_v1.json, which qa_hotpot asks from"
    )
    chat_template: bool = knob(False, help="whether the prompt is put into the model's chat template")
    question: str = knob("after", choices=("after", "before"), help="whether compression comes before the question")

    name = "ruler"
    subjects = frozenset({"causal-lm"})
    metrics = (Metric("string_match", "%", higher_is_better=True, aggregation="macro_mean", scale=100.0),)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.subtasks:
            raise KnobError(f"ruler.subtasks is empty; name some of {', '.join(SUBTASKS)}, or remove it")
        object.__setattr__(self, "subtasks", expanded(self.subtasks))
        for name in self.subtasks:
            if self.subtasks.count(name) > 1:
                raise KnobError(f"ruler.subtasks names {name} twice; remove one")
        lacking = [
            f"{name} asks from {FILES[material].title}: {FILES[material].remedy}, or leave {name} out"
            for name in self.subtasks
            for material in SUBTASKS[name].material & FILES.keys()
            if self.paths[material] is None
        ]
        if lacking:
            raise KnobError("; ".join(lacking))
        if isinstance(self.new_tokens, str) and self.new_tokens not in BUDGETS:
            raise KnobError(
                f"ruler.new_tokens must be a number or one of {', '.join(BUDGETS)}, "
                f"got {self.new_tokens!r}{nearest(self.new_tokens, BUDGETS)}"
            )
        budget = max(map(self.budget, self.subtasks))
        if budget >= self.context:
            raise KnobError(
                f"ruler.new_tokens={budget} leaves no room for a prompt in ruler.context={self.context}; "
                "raise one or lower the other"
            )

    @property
    def paths(self) -> dict[str, str | None]:
        """Of the files that questions come from."""
        return {name: getattr(self, file.knob) for name, file in FILES.items()}

    def budget(self, subtask: str) -> int:
        """Tokens an answer may take."""
        if isinstance(self.new_tokens, int):
            return self.new_tokens
        return SUBTASKS[subtask].short_tokens if self.new_tokens == "short" else SUBTASKS[subtask].answer_tokens

    def check(self, facts: Mapping[str, Any]) -> None:
        limit = facts.get("context_length")
        if limit is None:
            return
        if self.context > limit:
            raise IncompatibleError(
                f"ruler.context={self.context} is longer than the model's {limit} tokens; "
                f"set it to {limit} or less, or choose a model with a longer context"
            )
        prompt = self.context - min(map(self.budget, self.subtasks))
        if prompt + self.timed_new_tokens > limit:
            raise IncompatibleError(
                f"ruler.timed_new_tokens={self.timed_new_tokens} after a prompt of {prompt} tokens is longer than "
                f"the model's {limit}; set it to {limit - prompt} or less"
            )

    def planned(self) -> int:
        return len(self.subtasks) * self.samples

    def describe(self) -> dict[str, Any]:
        return {
            "subtasks": ", ".join(self.subtasks),
            "context": f"{self.context:,} tokens",
            "answer": self._budget(),
            "question": "withheld from compression" if self.question == "after" else "seen by compression",
            "prompt": "chat template, answer prefix" if self.chat_template else "raw text, answer prefix",
        }

    def _budget(self) -> str:
        given = {name: self.budget(name) for name in self.subtasks}
        published = {name: SUBTASKS[name].answer_tokens for name in self.subtasks}
        cut = [name for name in self.subtasks if SUBTASKS[name].answer_length > given[name]]
        as_in = "as in RULER" if given == published else f"RULER: {numbers(published.values())}"
        budget = f"{numbers(given.values())} new tokens ({as_in})"
        return f"{budget}, may cut answers of {', '.join(cut)}" if cut else budget

    def sources(self) -> list[Source]:
        from .material import Material

        material = Material(self.essays, self.paths)
        wanted = {name for subtask in self.subtasks for name in SUBTASKS[subtask].material}
        subtasks = Source("RULER subtasks", len(self.subtasks), None, note="of 13, drawn from the seed")
        return [subtasks, *(material.source(name) for name in sorted(wanted))]

    def make_samples(self, processor: Any, seed: int) -> Sequence[Sample]:
        from .samples import Samples

        return Samples(self, processor, seed)

    def score(self, sample: Sample, output: dict[str, Any], processor: Any) -> list[Score]:
        score = SUBTASKS[sample.stratum].score
        return [Score("string_match", score(self.answer_text(output, processor), sample.target))]

    def timed(self, sample: Sample) -> dict[str, Any]:
        return sample.request | {"new_tokens": self.timed_new_tokens, "stop": []}

    def answer_text(self, output: dict[str, Any], processor: Any) -> str:
        return processor.decode(output["tokens"])


def numbers(values: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(set(values))))


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [Ruler]
