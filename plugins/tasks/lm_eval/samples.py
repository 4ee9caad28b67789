"""Samples, each a document of one of lm-eval's tasks, in tokens when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from harness.api import IncompatibleError, Sample

from .suite import Subtask, Suite


class Samples(Sequence[Sample]):
    def __init__(self, suite: Suite, processor: Any) -> None:
        from .tokens import Encoder

        self.suite = suite
        self.encoder = Encoder(processor)
        self.stop = list(processor.stop_ids)

    def __len__(self) -> int:
        return len(self.suite.order)

    def __getitem__(self, number: int) -> Sample:
        if not 0 <= number < len(self):
            raise IndexError(f"sample {number} of {len(self)}")
        subtask, document = self.suite.order[number]
        instances = subtask.instances[document]
        try:
            request = self.request(instances)
        except IncompatibleError as error:
            raise IncompatibleError(f"document {document} of {subtask.name} can't be asked: {error}") from error
        return Sample(number, subtask.name, request, target(subtask, document), prompt=prompt(instances))

    def request(self, instances: list[Any]) -> dict[str, Any]:
        if instances[0].request_type == "generate_until":
            return self.generation(*instances[0].args)
        return {"score": self.scored(instances)}

    def generation(self, text: str, given: dict[str, Any]) -> dict[str, Any]:
        from .tokens import new_tokens, parted, until

        ends = until(given, self.encoder.processor.eos)
        return {
            **parted(self.encoder.prompt(text, given)),
            "question_seen": True,
            "new_tokens": new_tokens(given),
            "stop": sorted({*self.stop, *self.encoder.special(ends)}),
            "halt": self.encoder.holding(ends),
            "until": ends,
        }

    def scored(self, instances: list[Any]) -> list[dict[str, Any]]:
        """What is scored of each instance: its continuation, or its windows."""
        from .tokens import scored

        items = []
        for number, one in enumerate(instances):
            rolling = one.request_type == "loglikelihood_rolling"
            encode = self.encoder.loglikelihood_rolling if rolling else self.encoder.loglikelihood
            (found,) = encode([one], disable_tqdm=True)
            pairs = found if rolling else [found]
            items += [{**scored(pair, self.encoder.limit), "instance": number} for pair in pairs]
        return items


def target(subtask: Subtask, document: int) -> dict[str, Any]:
    """What is right, by which document, and lm-eval's hash of that."""
    from lm_eval.utils import handle_non_serializable, hash_string

    doc = subtask.instances[document][0].doc
    text = json.dumps(doc, indent=2, default=handle_non_serializable, ensure_ascii=False)
    right = json.loads(json.dumps(subtask.task.doc_to_target(doc), default=handle_non_serializable))
    return {"right": right, "document": document, "doc_hash": hash_string(text)}


def prompt(instances: list[Any]) -> str:
    """The context once, then what is scored after it; or each pair, where contexts differ."""
    args = [one.args for one in instances]
    if instances[0].request_type in ("generate_until", "loglikelihood_rolling"):
        return str(args[0][0])
    if len({context for context, _ in args}) == 1:
        return "\n".join([args[0][0], *(f"→{continuation}" for _, continuation in args)])
    return "\n\n".join(f"{context}\n→{continuation}" for context, continuation in args)
