"""Questions and documents, read from the official files of SQuAD and HotpotQA as RULER reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from harness.api import SourceError, file_digest


class Question(NamedTuple):
    query: str
    answers: tuple[str, ...]
    own: tuple[int, ...]  # places of the documents that come with it
    near: tuple[int, ...] = ()  # and of those to add first: other paragraphs of the same article


class Collection(NamedTuple):
    questions: list[Question]
    documents: list[str]
    sha256: str


class File(NamedTuple):
    """What RULER asks its questions from."""

    title: str
    official: str
    address: str
    knob: str  # names the path
    read: Callable[[Any], tuple[list[Question], list[str]]]

    @property
    def remedy(self) -> str:
        return f"download {self.official} from {self.address} and set ruler.{self.knob} to it"


def squad(data: Any) -> tuple[list[Question], list[str]]:
    """Answerable questions; a paragraph is a document."""
    articles = [article["paragraphs"] for article in data["data"]]
    documents = sorted({paragraph["context"] for article in articles for paragraph in article})
    places = {document: place for place, document in enumerate(documents)}
    questions = []
    for article in articles:
        around = dict.fromkeys(places[paragraph["context"]] for paragraph in article)
        for paragraph in article:
            own = places[paragraph["context"]]
            near = tuple(place for place in around if place != own)
            for asked in paragraph["qas"]:
                if not asked["is_impossible"]:
                    answers = tuple(answer["text"] for answer in asked["answers"])
                    questions.append(Question(asked["question"], answers, (own,), near))
    return questions, documents


def hotpotqa(data: Any) -> tuple[list[Question], list[str]]:
    """A paragraph under its title is a document; ten come with each question."""
    written = [[f"{title}\n{''.join(sentences)}" for title, sentences in asked["context"]] for asked in data]
    documents = sorted({document for ten in written for document in ten})
    places = {document: place for place, document in enumerate(documents)}
    questions = [
        Question(asked["question"], (asked["answer"],), tuple(dict.fromkeys(places[one] for one in ten)))
        for asked, ten in zip(data, written, strict=True)
    ]
    return questions, documents


FILES: Mapping[str, File] = {
    "squad": File("SQuAD 2.0", "dev-v2.0.json", "https://rajpurkar.github.io/SQuAD-explorer", "squad_path", squad),
    "hotpotqa": File(
        "HotpotQA", "hotpot_dev_distractor_v1.json", "https://hotpotqa.github.io", "hotpotqa_path", hotpotqa
    ),
}


@cache
def collect(name: str, path: Path) -> Collection:
    """
    Raises:
        SourceError: no such file, or not what `FILES[name]` is.
    """
    file = FILES[name]
    try:
        questions, documents = file.read(json.loads(path.read_bytes()))
    except OSError as error:
        raise SourceError(f"ruler.{file.knob}={path} can't be read ({error}); {file.remedy}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise SourceError(f"ruler.{file.knob}={path} is not {file.title}'s file ({reason}); {file.remedy}") from error
    if not questions or not all(answer for question in questions for answer in question.answers):
        raise SourceError(f"ruler.{file.knob}={path} holds no question, or one without its answer; {file.remedy}")
    return Collection(questions, documents, file_digest(path))
