import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.api import IncompatibleError, KnobError, Response
from harness_plugins.tasks.ruler.plugin import Ruler, harness_tasks
from harness_plugins.tasks.ruler.samples import Samples
from harness_plugins.tasks.ruler.subtasks import SUBTASKS

ALL = tuple(SUBTASKS)


@pytest.fixture
def task(essays) -> Ruler:
    return Ruler(context=400, samples=2, essays=essays)


@pytest.fixture
def files(essays, squad, hotpotqa) -> dict[str, str]:
    return {"essays": essays, "squad_path": squad, "hotpotqa_path": hotpotqa}


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
@pytest.mark.parametrize("context", [1700, 2300])
def test_prompt_and_answer_fill_the_context_to_within_one_unit(subtask, chat, context, processor, files):
    task = Ruler(subtasks=(subtask,), context=context, chat_template=chat, samples=2, **files)
    samples = task.make_samples(processor, seed=3)

    for index, sample in enumerate(samples):
        draft = samples.draft(subtask, index)
        units = samples.units(draft, subtask)
        assert samples.reader.tokens(draft.prompt(units)).context == sample.request["context"]
        assert sample.request["new_tokens"] == task.budget(subtask)
        assert length(sample.request) <= context
        assert samples.reader.size(draft.prompt(units + 1)) + task.budget(subtask) > context


ASKED = {
    "vt": "Question: Find all variables that are assigned the value",
    "cwe": "Question: What are the 10 most common words in the above list?",
    "fwe": "Question: Do not provide any explanation.",
    "qa_squad": "Answer the question based on the given documents.",
    "qa_hotpot": "Answer the question based on the given documents.",
}


@pytest.mark.parametrize("subtask", ALL)
def test_each_subtask_has_context_and_question_apart(subtask, processor, files):
    sample = Ruler(subtasks=(subtask,), context=1700, **files).make_samples(processor, 0)[0]

    context, question = (processor.decode(sample.request[part]) for part in ("context", "question"))
    assert context + question == sample.prompt
    assert question.startswith(ASKED.get(subtask, "What "))
    assert context.endswith("\n")


@pytest.mark.parametrize("subtask", ALL)
def test_every_subtask_repeats_by_seed_and_number(subtask, processor, files):
    def prompts(seed: int, samples: int) -> list[str]:
        task = Ruler(subtasks=(subtask,), context=1700, samples=samples, **files)
        return [sample.prompt for sample in task.make_samples(processor, seed)]

    assert prompts(0, 3)[:2] == prompts(0, 2)
    assert len({*prompts(0, 2), *prompts(1, 2)}) == 4


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
    task = Ruler(subtasks=("niah_single_1", "niah_single_3", "niah_multivalue"), new_tokens=32)

    assert task.describe()["answer"] == "32 new tokens (RULER: 128), may cut answers of niah_single_3, niah_multivalue"
    assert replace(task, new_tokens="ruler").describe()["answer"] == "128 new tokens (as in RULER)"
    words = Ruler(subtasks=("vt", "cwe", "fwe"))
    assert words.describe()["answer"] == "30, 50, 120 new tokens (as in RULER)"
    assert replace(words, new_tokens=32).describe()["answer"] == (
        "32 new tokens (RULER: 30, 50, 120), may cut answers of cwe"
    )


def test_budgets_are_lm_evals_but_for_one_number(lm_eval, files):
    settings = {path.stem: path.read_text() for path in lm_eval.folder.glob("*.yaml")}
    needles = settings["niah_single_1"]
    theirs = {
        name: int(re.search(r"max_gen_toks: (\d+)", settings[name] if "max_gen" in settings[name] else needles)[1])
        for name in set(ALL) - {"qa_hotpot"}
    }

    ruler, short = (Ruler(subtasks=("all",), new_tokens=words, **files) for words in ("ruler", "short"))

    assert {name: ruler.budget(name) for name in theirs} == theirs
    assert ruler.budget("qa_hotpot") == ruler.budget("qa_squad") == 32
    assert {name for name in ALL if short.budget(name) != ruler.budget(name)} == {
        "niah_single_1",
        "niah_single_2",
        "niah_multikey_1",
        "niah_multikey_2",
    }


def test_a_group_is_its_subtasks(files):
    assert len(ALL) == 13
    assert Ruler(subtasks=("all",), **files) == Ruler(subtasks=ALL, **files)
    assert Ruler(subtasks=("vt", "aggregation")).subtasks == ("vt", "cwe", "fwe")
    assert Ruler(subtasks=("niah",)).subtasks == ALL[:8]


def test_lm_eval_has_the_same_subtasks(lm_eval):
    listed = re.findall(r"  - (?:ruler_)?(\w+)\n", (lm_eval.folder / "ruler.yaml").read_text().split("aggregate")[0])

    assert sorted(listed) == sorted(ALL)


def test_files_that_questions_need_are_named_with_their_knobs():
    with pytest.raises(KnobError) as raised:
        Ruler(subtasks=("all",))

    assert str(raised.value) == (
        "qa_squad asks from SQuAD 2.0: download dev-v2.0.json from https://rajpurkar.github.io/SQuAD-explorer and set "
        "ruler.squad_path to it, or leave qa_squad out; "
        "qa_hotpot asks from HotpotQA: download hotpot_dev_distractor_v1.json from https://hotpotqa.github.io and set "
        "ruler.hotpotqa_path to it, or leave qa_hotpot out"
    )


def test_where_a_file_lies_is_no_part_of_identity_and_what_it_holds_is(files, tmp_path):
    task = Ruler(subtasks=("qa_squad",), squad_path=files["squad_path"])
    (tmp_path / "dev-v2.0.json").write_bytes(Path(files["squad_path"]).read_bytes())
    moved = replace(task, squad_path=str(tmp_path / "dev-v2.0.json"))

    assert moved.settings(hashed_only=True) == task.settings(hashed_only=True)
    assert moved.sources() == task.sources()
    assert len(task.sources()[1].sha256) == 64


def test_names_only_the_sources_it_draws_on(essays):
    def names(*subtasks: str) -> list[str]:
        sources = Ruler(subtasks=subtasks, essays=essays).sources()
        return [source.name.partition(" ")[0] for source in sources]

    assert names("niah_multikey_3") == ["RULER"]
    assert names("niah_single_1") == ["RULER", "wonderwords"]
    assert names("niah_single_1", "niah_single_2") == ["RULER", "essays.txt", "wonderwords"]
    assert names("vt", "fwe") == ["RULER"]
    assert names("cwe") == ["RULER", "wonderwords"]


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
        ({"subtasks": ["niah", "niah_single_1"]}, "names niah_single_1 twice"),
        ({"subtasks": ["aggregatoin"]}, "did you mean aggregation"),
        ({"new_tokens": "rular"}, "must be a number or one of short, ruler, got 'rular'; did you mean ruler"),
        ({"new_tokens": 2.5}, "takes a whole number or text, got 2.5"),
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
