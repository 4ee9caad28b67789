"""RULER's question answering: the paragraphs that answer a question, among others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from harness.api import KnobError

from .documents import FILES, Collection
from .matching import any_found
from .prompts import Prompt, Wanted

INSTRUCTION = (
    "Answer the question based on the given documents. Only give me the answer and do not output any other words."
)
OPENING = f"{INSTRUCTION}\n\nThe following are given documents.\n\n{{text}}\n\n"
QUESTION = f"{INSTRUCTION}\n\nQuestion: {{query}}"
PREFIX = "Answer:"
DOCUMENT = "Document {number}:\n{document}"


@dataclass(frozen=True)
class Questions:
    """Questions of a data set in the order that the seed gives them; `dataset` is a name in `FILES`."""

    dataset: str

    answer_tokens = short_tokens = answer_length = 32
    uneven = True

    @property
    def material(self) -> frozenset[str]:
        return frozenset({self.dataset})

    def draft(self, wanted: Wanted) -> QuestionDraft:
        collection = wanted.material.collection(self.dataset)
        if wanted.number >= len(collection.questions):
            held = f"ruler.{FILES[self.dataset].knob} holds {len(collection.questions)} questions"
            raise KnobError(f"ruler.samples asks for more than that: {held}; set it to so many or less")
        return QuestionDraft(wanted, collection)

    def score(self, answer: str, references: Sequence[str]) -> float:
        return any_found(answer, references)


QUESTIONS: Mapping[str, Questions] = {"qa_squad": Questions("squad"), "qa_hotpot": Questions("hotpotqa")}


class QuestionDraft:
    """A question, its own documents and a row of others; units are documents."""

    def __init__(self, wanted: Wanted, collection: Collection) -> None:
        self.name = wanted.name
        self.collection = collection
        count = len(collection.questions)
        self.question = collection.questions[Random(wanted.series).sample(range(count), count)[wanted.number]]
        self.least = len(self.question.own)
        self.most = len(collection.documents)

    @cached_property
    def others(self) -> list[int]:
        """Documents that need not be there: first those near its own, then the rest, each in any order."""
        near, taken = list(self.question.near), {*self.question.own, *self.question.near}
        rest = [place for place in range(len(self.collection.documents)) if place not in taken]
        rng = Random(self.name)
        rng.shuffle(near)
        rng.shuffle(rest)
        return near + rest

    def prompt(self, units: int) -> Prompt:
        documents = [self.collection.documents[place] for place in self.places(units)]
        text = "\n\n".join(DOCUMENT.format(number=number, document=one) for number, one in enumerate(documents, 1))
        return Prompt(
            context=OPENING.format(text=text),
            question=QUESTION.format(query=self.question.query),
            prefix=PREFIX,
            references=self.question.answers,
        )

    def places(self, units: int) -> list[int]:
        """Which documents, in the order that they are read."""
        more = units - self.least
        picked = [*self.question.own, *(self.others[:more] if more else [])]
        Random(f"{self.name}/order/{units}").shuffle(picked)
        return picked
