import subprocess
import sys
from dataclasses import replace

import pytest

from harness.api import IncompatibleError, KnobError, Response
from harness_plugins.tasks.ruler.plugin import Ruler, harness_tasks
from harness_plugins.tasks.ruler.samples import Samples
from harness_plugins.tasks.ruler.subtasks import SUBTASKS

ALL = tuple(SUBTASKS)


@pytest.fixture
def task(essays) -> Ruler:
    return Ruler(context=400, samples=2, essays=essays)


def length(request: dict) -> int:
    return len(request["context"]) + len(request["question"]) + request["new_tokens"]


def test_offers_ruler():
    assert harness_tasks() == [Ruler]


def test_importing_it_loads_nothing_beyond_pluggy():
    code = (
        "import sys; before = set(sys.modules); import harness_plugins.tasks.ruler.plugin; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert set(done.stdout.split()) <= {"harness", "harness_plugins", "pluggy"}


def test_subtasks_take_turns(task, processor):
    samples = task.make_samples(processor, seed=0)

    assert task.planned() == len(samples) == 6
    assert [sample.number for sample in samples] == [0, 1, 2, 3, 4, 5]
    assert [sample.stratum for sample in samples] == ["niah_single_1", "niah_single_2", "niah_multikey_1"] * 2


def test_more_samples_extend_a_run(task, processor):
    more = replace(task, samples=5)

    assert list(more.make_samples(processor, 0))[:6] == list(task.make_samples(processor, 0))


def test_a_sample_is_the_same_among_any_other_subtasks(task, processor):
    alone = replace(task, subtasks=("niah_multikey_1",)).make_samples(processor, 0)
    among = task.make_samples(processor, 0)

    assert alone[1].request == among[5].request
    assert alone[1].target == among[5].target


def test_samples_differ_by_number_and_seed_and_repeat_by_both(task, processor):
    first, again, other = (task.make_samples(processor, seed) for seed in (0, 0, 1))

    assert first[0] == again[0]
    assert first[0].target != first[3].target
    assert first[0].target != other[0].target


@pytest.mark.parametrize("subtask", ALL)
@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("context", [900, 1400])
def test_prompt_and_answer_fill_the_context_to_within_one_unit(subtask, chat, context, processor, essays):
    task = Ruler(subtasks=(subtask,), context=context, essays=essays, chat_template=chat, samples=2)
    samples = task.make_samples(processor, seed=3)

    for index, sample in enumerate(samples):
        draft = SUBTASKS[subtask].draft(f"ruler/3/{subtask}/{index}", samples.material)
        units = samples.units(draft, subtask)
        assert samples.reader.tokens(draft.prompt(units)).context == sample.request["context"]
        assert length(sample.request) <= context
        assert samples.reader.size(draft.prompt(units + 1)) + task.new_tokens > context


def test_the_question_is_withheld_from_the_context(task, processor):
    sample = task.make_samples(processor, 0)[2]

    context, question = (processor.decode(sample.request[part]) for part in ("context", "question"))
    assert context + question == sample.prompt
    assert "What is the special magic number for" not in context
    assert question.startswith("What is the special magic number for")
    assert question.endswith("mentioned in the provided text is")
    assert sample.request["question_seen"] is False


def test_before_puts_the_question_into_the_context(task, processor):
    after = task.make_samples(processor, 0)[1]
    before = replace(task, question="before").make_samples(processor, 0)[1]

    assert before.request["context"] == after.request["context"] + after.request["question"]
    assert before.request["question"] == []
    assert before.request["question_seen"] is True
    assert before.prompt == after.prompt


def test_a_scored_request_may_end_early_and_a_timed_one_may_not(task, processor):
    sample = task.make_samples(processor, 0)[0]

    assert (sample.request["new_tokens"], sample.request["stop"]) == (32, [0])
    timed = task.timed(sample)
    assert (timed["new_tokens"], timed["stop"]) == (16, [])
    assert timed["context"] == sample.request["context"]


def test_an_answer_is_scored_by_the_references_in_it(task, processor):
    sample = replace(task, subtasks=("niah_multivalue",)).make_samples(processor, 0)[0]
    said = f" {sample.target[0]} and {sample.target[2]}."
    response = Response({"tokens": processor.encode(said)})

    (score,) = task.score(sample, response.output, processor)

    assert (score.metric, score.value) == ("string_match", 0.5)
    assert task.answer_text(response.output, processor) == said
    assert task.metrics[0].scale == 100.0


def test_describes_its_conditions():
    assert Ruler().describe() == {
        "subtasks": "niah_single_1, niah_single_2, niah_multikey_1",
        "context": "1,024 tokens",
        "answer": "32 new tokens (RULER: 128)",
        "question": "withheld from compression",
        "prompt": "raw text, answer prefix",
    }
    assert Ruler(question="before").describe()["question"] == "seen by compression"
    assert Ruler(chat_template=True).describe()["prompt"] == "chat template, answer prefix"


def test_says_where_its_budget_may_cut_an_answer():
    task = Ruler(subtasks=("niah_single_1", "niah_single_3", "niah_multivalue"))

    assert task.describe()["answer"] == "32 new tokens (RULER: 128), may cut answers of niah_single_3, niah_multivalue"
    assert replace(task, new_tokens=128).describe()["answer"] == "128 new tokens (RULER: 128)"


def test_names_only_the_sources_it_draws_on(essays):
    def names(*subtasks: str) -> list[str]:
        sources = Ruler(subtasks=subtasks, essays=essays).sources()
        return [source.name.partition(" ")[0] for source in sources]

    assert names("niah_multikey_3") == ["RULER"]
    assert names("niah_single_1") == ["RULER", "wonderwords"]
    assert names("niah_single_1", "niah_single_2") == ["RULER", "essays.txt", "wonderwords"]


def test_the_number_of_samples_is_no_part_of_identity():
    assert "samples" not in Ruler().settings(hashed_only=True)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"subtasks": ["niah_singel_1"]}, "did you mean niah_single_1"),
        ({"subtasks": []}, "subtasks is empty"),
        ({"subtasks": ["niah_single_1", "niah_single_1"]}, "names niah_single_1 twice"),
        ({"question": "befor"}, "did you mean before"),
        ({"context": 30}, "leaves no room for a prompt"),
        ({"new_tokens": 0}, "at least 1"),
        ({"contxt": 512}, "did you mean context"),
    ],
)
def test_a_bad_setting_is_refused_with_what_to_do(knobs, message):
    with pytest.raises(KnobError, match=message):
        Ruler.build(knobs)


def test_a_context_longer_than_the_models_is_refused():
    task = Ruler(context=9000)

    with pytest.raises(IncompatibleError, match=r"context=9000 is longer than the model's 8192 .* set it to 8192"):
        task.check({"context_length": 8192})
    Ruler(context=8192).check({"context_length": 8192})
    task.check({})


def test_a_timed_answer_must_fit_the_model_too():
    with pytest.raises(IncompatibleError, match="set it to 32 or less"):
        Ruler(context=1024, timed_new_tokens=33).check({"context_length": 1024})


def test_a_context_that_holds_no_prompt_is_refused_with_the_length_it_takes(task, processor):
    with pytest.raises(IncompatibleError, match=r"ruler.context=60 is too short for niah_single_1: .* take \d+ tokens"):
        _ = replace(task, context=60).make_samples(processor, 0)[0]


def test_samples_end_where_planned(task, processor):
    samples = task.make_samples(processor, 0)

    assert isinstance(samples, Samples)
    with pytest.raises(IndexError):
        samples[6]
