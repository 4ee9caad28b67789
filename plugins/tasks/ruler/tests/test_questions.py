"""Question answering, against the installed lm-eval's readers and generator."""

import json
import random
import re
from functools import cache
from pathlib import Path

import pytest

from harness.api import IncompatibleError, KnobError, SourceError
from harness_plugins.tasks.ruler.documents import Collection, collect
from harness_plugins.tasks.ruler.material import Material
from harness_plugins.tasks.ruler.plugin import Ruler
from harness_plugins.tasks.ruler.prompts import Wanted
from harness_plugins.tasks.ruler.questions import QuestionDraft, Questions

DATASETS = ("squad", "hotpotqa", "real_hotpotqa")


@pytest.fixture(params=DATASETS)
def name(request) -> str:
    return request.param


@pytest.fixture
def path(name, request) -> Path:
    return Path(request.getfixturevalue(name))


@pytest.fixture
def dataset(name) -> str:
    return name.removeprefix("real_")


@pytest.fixture
def collection(dataset, path) -> Collection:
    return collect(dataset, path)


@pytest.fixture
def theirs(lm_eval, path):
    return lm_eval.take(
        "qa_utils",
        "CONFIG",
        "SEED",
        "TEMPLATE",
        "DOCUMENT_PROMPT",
        "read_squad",
        "read_hotpotqa",
        "generate_input_output",
        "generate_samples",
        cache=cache,
        random=random,
        download_json=lambda url: json.loads(path.read_text()),
        tqdm=lambda numbers, desc: numbers,
    )


def drafted(dataset: str, path: Path, index: int = 0, seed: int = 0) -> QuestionDraft:
    material = Material(None, {dataset: str(path)})
    return Questions(dataset).draft(Wanted(f"ruler/{seed}/qa", index, 4096, material))


def test_files_are_read_as_lm_eval_reads_them(dataset, collection, theirs):
    questions, documents = getattr(theirs, f"read_{dataset}")()

    assert collection.documents == documents
    assert [question.query for question in collection.questions] == [one["query"] for one in questions]
    assert [list(question.answers) for question in collection.questions] == [one["outputs"] for one in questions]
    assert [list(question.own) for question in collection.questions] == [one["context"] for one in questions]
    assert [list(question.near) for question in collection.questions] == [
        one.get("more_context", []) for one in questions
    ]


@pytest.mark.parametrize("units", [12, 25])
def test_prompts_are_lm_evals_for_the_same_draws(units, dataset, path, collection, theirs):
    questions, documents = getattr(theirs, f"read_{dataset}")()
    draft = drafted(dataset, path)
    number = collection.questions.index(draft.question)
    text, answers = theirs.generate_input_output(number, units, questions, documents)
    read = [documents.index(one) for one in re.split(r"\n\nDocument \d+:\n|\n\nAnswer the", text)[1:-1]]
    draft.places = lambda units: read

    prompt = draft.prompt(units)

    assert prompt.context + prompt.question == text
    assert list(prompt.references) == answers
    assert set(draft.question.own) <= set(read)


def test_the_prefix_is_lm_evals(theirs, squad):
    assert drafted("squad", Path(squad)).prompt(5).prefix == theirs.CONFIG["answer_prefix"]


def test_documents_of_the_question_come_first_then_those_near_it(dataset, path, collection):
    draft = drafted(dataset, path)
    own, near = set(draft.question.own), set(draft.question.near)

    for units in range(draft.least, min(draft.most, 40) + 1):
        places = draft.places(units)
        assert len(places) == len(set(places)) == units
        assert own <= set(places)
        assert set(places) - own <= near if units <= len(own | near) else near <= set(places)
    assert sorted(draft.places(draft.most)) == list(range(len(collection.documents)))


def test_questions_come_in_an_order_of_the_seeds_without_repetition(dataset, path, collection):
    count = len(collection.questions)

    first, again, other = (
        [drafted(dataset, path, index, seed).question for index in range(count)] for seed in (0, 0, 1)
    )

    assert first == again != other
    assert sorted(first) == sorted(other) == sorted(collection.questions)


def test_where_a_context_holds_every_document_all_are_there(processor, squad):
    task = Ruler(subtasks=("qa_squad",), context=8000, samples=1, squad_path=squad)

    prompt = task.make_samples(processor, 0)[0].prompt

    assert len(re.findall(r"^Document \d+:$", prompt, re.MULTILINE)) == 40


def test_a_context_that_some_question_does_not_fit_is_refused_at_once(processor, real_hotpotqa):
    task = Ruler(subtasks=("qa_hotpot",), context=1024, samples=40, hotpotqa_path=real_hotpotqa)

    with pytest.raises(IncompatibleError, match="too short for qa_hotpot") as raised:
        task.make_samples(processor, 0)

    needed = int(re.search(r"take (\d+) tokens", str(raised.value))[1])
    samples = Ruler(**task.settings() | {"context": needed}).make_samples(processor, 0)
    sizes = [len(sample.request["context"]) + len(sample.request["question"]) + 32 for sample in samples]
    assert max(sizes) == needed


def test_an_answer_of_hotpotqa_is_in_its_context(real_hotpotqa, processor):
    task = Ruler(subtasks=("qa_hotpot",), context=16_000, samples=3, hotpotqa_path=real_hotpotqa)

    for sample in task.make_samples(processor, 0):
        assert sample.target[0] in ("yes", "no") or sample.target[0] in sample.prompt
        assert task.score(sample, {"tokens": processor.encode(f" {sample.target[0]}.")}, processor)[0].value == 1.0


def test_more_samples_than_questions_are_refused(processor, hotpotqa):
    task = Ruler(subtasks=("qa_hotpot",), context=4000, samples=11, hotpotqa_path=hotpotqa)

    with pytest.raises(KnobError, match=r"ruler.hotpotqa_path holds 10 questions; set it to so many or less"):
        task.make_samples(processor, 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, r"ruler.squad_path=.*dev.json can't be read \(.*No such file"),
        ("{", "is not SQuAD 2.0's file"),
        ('{"data": [{"paragraphs": [{"context": "x", "qas": [{"question": "?"}]}]}]}', "KeyError: 'is_impossible'"),
        ('{"data": []}', "holds no question"),
    ],
)
def test_a_file_that_is_not_squads_is_refused_with_where_to_get_it(content, reason, tmp_path):
    path = tmp_path / "dev.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(SourceError, match=reason) as raised:
        Ruler(subtasks=("qa_squad",), squad_path=str(path)).sources()
    assert "download dev-v2.0.json from https://rajpurkar.github.io/SQuAD-explorer" in str(raised.value)


def test_a_source_names_its_file_and_how_much_it_holds(squad):
    _, source = Ruler(subtasks=("qa_squad",), squad_path=squad).sources()

    assert (source.name, source.count) == ("SQuAD 2.0, dev-v2.0.json", 40)
    assert source.note == "questions, among 40 documents"
