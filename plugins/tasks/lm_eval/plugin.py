"""Any task of lm-eval (EleutherAI's harness), asked and scored as lm-eval does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.api import Metric, Sample, Score, Source, Task, UsageError, hookimpl, knob

if TYPE_CHECKING:
    from .suite import Suite


@dataclass(frozen=True)
class LMEval(Task):
    tasks: tuple[str, ...] = knob((), help="tasks, groups or tags of lm-eval, or YAML files")
    samples: int = knob(50, low=1, hashed=False, help="documents of each task, from its first on (lm-eval: --limit)")
    num_fewshot: int | None = knob(None, low=0, help="examples in front of each prompt; null: as each task says")
    fewshot_seed: int = knob(1234, help="draws the examples (lm-eval: the last of --seed)")
    include_path: str | None = knob(None, help="folder of task YAML files, looked through before lm-eval's own")
    timed_new_tokens: int = knob(16, low=1, help="tokens a timed answer takes, where answers are generated")

    name = "lm_eval"
    subjects = frozenset({"causal-lm"})

    @property
    def suite(self) -> Suite:
        """The tasks, loaded once in a process."""
        from .suite import load

        if not self.tasks:
            raise UsageError('lm_eval needs to know which tasks: "task.tasks=[arc_easy,lambada_openai]"')
        return load(self.tasks, self.samples, self.num_fewshot, self.fewshot_seed, self.include_path)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return self.suite.metrics if self.tasks else ()

    def check(self, facts: Mapping[str, Any]) -> None:
        self.suite.check()

    def planned(self) -> int:
        return len(self.suite.order)

    def describe(self) -> dict[str, Any]:
        return self.suite.describe()

    def sources(self) -> list[Source]:
        return self.suite.sources()

    def make_samples(self, processor: Any, seed: int) -> Sequence[Sample]:
        from .samples import Samples

        if seed != 0:
            raise UsageError(
                f"seed={seed} would give lm_eval the documents of seed 0 again, and count them twice; "
                "leave it out, or draw other examples with task.fewshot_seed"
            )
        return Samples(self.suite, processor)

    def score(self, sample: Sample, output: dict[str, Any], processor: Any) -> list[Score]:
        from .results import results

        subtask, document = self.suite.order[sample.number]
        return subtask.scores(document, results(subtask.instances[document], sample.request, output, processor))

    def timed(self, sample: Sample) -> dict[str, Any]:
        if "score" in sample.request:
            return sample.request
        return sample.request | {"new_tokens": self.timed_new_tokens, "stop": [], "halt": []}

    def answer_text(self, output: dict[str, Any], processor: Any) -> str:
        if "scores" in output:
            return " ".join(f"{sum(one['logprobs']):.4f}" for one in output["scores"])
        return str(processor.decode(output["tokens"]))


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [LMEval]
