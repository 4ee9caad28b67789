import subprocess
import sys
from dataclasses import replace

import pytest

from harness.api import IncompatibleError, KnobError, Response, UsageError
from harness.testing import toy_of
from harness.testing.checks import checks_of
from harness_plugins.tasks.longbench import plugin
from harness_plugins.tasks.longbench.datasets import DATASETS, EXTENDED
from harness_plugins.tasks.longbench.plugin import LongBench, harness_tasks

TWO = ("multi_news", "hotpotqa")


@pytest.fixture
def task(folder) -> LongBench:
    return LongBench(datasets=TWO, path=str(folder), context=800, samples=3, chat_template=False)


def test_offers_longbench():
    assert harness_tasks() == [LongBench]


@pytest.mark.parametrize("check", checks_of(LongBench()))
@pytest.mark.parametrize("extended", [False, True])
def test_keeps_the_contract_of_tasks(check, extended, folder):
    task = LongBench(("trec", "hotpotqa"), extended, str(folder), context=400, samples=2, new_tokens=4)

    check(task, toy_of("causal-lm"))


def test_importing_it_loads_nothing_beyond_pluggy():
    code = (
        "import sys; before = set(sys.modules); import harness_plugins.tasks.longbench.plugin; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert set(done.stdout.split()) <= {"harness", "harness_plugins", "pluggy"}


def test_datasets_take_turns(task, processor):
    samples = task.make_samples(processor, seed=0)

    assert task.planned() == len(samples) == 6
    assert [sample.number for sample in samples] == [0, 1, 2, 3, 4, 5]
    assert [sample.stratum for sample in samples] == [*TWO] * 3


def test_more_samples_extend_a_run_up_to_all_of_them(task, processor):
    more = replace(task, samples=None)

    assert more.planned() == 10
    assert list(more.make_samples(processor, 0))[:6] == list(task.make_samples(processor, 0))
    assert {sample.request["record"] for sample in more.make_samples(processor, 0)} == {
        f"{name}-{number}" for name in TWO for number in range(5)
    }
    assert replace(task, samples=99).planned() == 10


def test_the_seed_decides_which_records_are_drawn(task, processor):
    def drawn(seed: int) -> list[str]:
        return [sample.request["record"] for sample in task.make_samples(processor, seed)]

    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)


def test_every_dataset_is_asked_and_none_of_its_braces_is_filled_twice(folder, processor):
    samples = LongBench(path=str(folder), context=2000, samples=1).make_samples(processor, 0)

    assert [sample.stratum for sample in samples] == list(DATASETS)
    for sample in samples:
        assert f"of {sample.stratum} {{as it is}}:" in sample.prompt


def test_longbench_e_is_averaged_by_dataset_and_length(folder, processor):
    task = LongBench(datasets=TWO, extended=True, path=str(folder), context=800, samples=2)

    samples = task.make_samples(processor, 0)

    assert [sample.stratum for sample in samples] == [
        *(f"{name} {bucket}" for name in TWO for bucket in ("0-4k", "4-8k", "8k+")),
        *(f"{name} {bucket}" for name in TWO for bucket in ("4-8k", "8k+")),  # there is one short record of each
    ]
    assert task.planned() == 10
    assert replace(task, datasets=None).names == EXTENDED


def test_the_question_is_withheld_from_the_context(task, processor):
    sample = task.make_samples(processor, 0)[1]

    context, question = (processor.decode(sample.request[part]) for part in ("context", "question"))
    assert context + question == sample.prompt
    assert "Are both stations in Wales?" not in context
    assert question.endswith("Question: Are both stations in Wales?\nAnswer:")
    assert sample.request["question_seen"] is False


def test_before_puts_the_question_into_the_context(task, processor):
    after = task.make_samples(processor, 0)[1]
    before = replace(task, question="before").make_samples(processor, 0)[1]

    assert before.request["context"] == after.request["context"] + after.request["question"]
    assert before.request["question"] == []
    assert before.request["question_seen"] is True


@pytest.mark.parametrize("new_tokens", [None, 20])
def test_prompt_and_answer_stay_within_the_context(new_tokens, folder, processor):
    task = LongBench(path=str(folder), context=560, samples=1, new_tokens=new_tokens)

    for sample in task.make_samples(processor, 0):
        request = sample.request
        assert request["new_tokens"] == (new_tokens or DATASETS[sample.stratum].new_tokens)
        assert len(request["context"]) + len(request["question"]) + request["new_tokens"] <= 560


def test_few_shot_and_code_stay_out_of_the_chat_template(folder, processor):
    samples = LongBench(path=str(folder), context=2000, samples=1).make_samples(processor, 0)

    raw = [sample.stratum for sample in samples if not sample.prompt.startswith("<|user|>")]
    assert raw == ["trec", "triviaqa", "samsum", "lsht", "lcc", "repobench-p"]


def test_samples_on_the_same_document_share_a_cluster(task, processor):
    first, other = (task.make_samples(processor, 0)[number] for number in (0, 2))

    assert first.cluster == task.make_samples(processor, 0)[0].cluster
    assert first.cluster != other.cluster


def test_a_scored_request_may_end_early_and_a_timed_one_may_not(task, processor):
    sample = task.make_samples(processor, 0)[0]

    assert (sample.request["new_tokens"], sample.request["stop"]) == (512, [0])
    timed = task.timed(sample)
    assert (timed["new_tokens"], timed["stop"]) == (16, [])
    assert timed["context"] == sample.request["context"]


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("hotpotqa", " Yes.", 1.0),
        ("hotpotqa", " Yes, both", 2 / 3),
        ("trec", "\n Definition of something\nQuestion: What is it ?\nType: Time", 1.0),
        ("trec", " Time or Definition of something", 0.5),
        ("samsum", " Bob is late.\nDialogue: Eve: hi", 1.0),
        ("passage_count", "7, not 9", 0.5),
        ("lsht", " 交通\n类别：体育", 1.0),
    ],
)
def test_an_answer_is_scored_by_the_datasets_metric(name, said, expected, folder, processor):
    task = LongBench(datasets=(name,), path=str(folder), context=800)
    sample = task.make_samples(processor, 0)[0]
    response = Response({"tokens": processor.encode(said)})

    (score,) = task.score(sample, response.output, processor)

    assert score.metric == "score"
    assert score.value == pytest.approx(expected)
    assert task.answer_text(response.output, processor) == said
    assert task.metrics[0].scale == 100.0


def test_the_context_is_the_models_where_none_is_given():
    task = LongBench(datasets=TWO)

    assert task.resolved({"context_length": 4096}).context == 4096
    assert replace(task, context=2048).resolved({"context_length": 4096}).context == 2048
    with pytest.raises(KnobError, match=r"does not say how many tokens it takes; set longbench.context"):
        task.resolved({}).check({})


def test_describes_its_conditions():
    assert LongBench(datasets=TWO, context=2048).describe() == {
        "datasets": "LongBench, multi_news, hotpotqa",
        "context": "2,048 tokens, longer prompts cut in the middle",
        "answer": "32 to 512 new tokens",
        "question": "withheld from compression",
        "prompt": "chat template, raw text for few-shot and code",
        "score": "ROUGE-L, F1 of words",
    }
    task = LongBench(
        datasets=("lcc",), extended=True, new_tokens=20, question="before", chat_template=False, context=90
    )
    assert task.describe() == {
        "datasets": "LongBench-E, lcc",
        "context": "90 tokens, longer prompts cut in the middle",
        "answer": "20 new tokens (LongBench: 64)",
        "question": "seen by compression",
        "prompt": "raw text",
        "score": "edit similarity",
    }
    assert LongBench(context=2048).describe()["datasets"] == "LongBench, all 21"
    assert LongBench(context=2048, extended=True).describe()["datasets"] == "LongBench-E, all 13"


def test_a_source_for_each_dataset(task):
    assert [source.name for source in task.sources()] == ["LongBench multi_news", "LongBench hotpotqa"]


def test_how_many_and_from_where_are_no_part_of_identity():
    assert {"samples", "path"}.isdisjoint(LongBench().settings(hashed_only=True))


def test_a_metric_whose_library_is_missing_is_refused_before_work(monkeypatch):
    monkeypatch.setattr(plugin, "find_spec", lambda name: None if name == "jieba" else object())

    with pytest.raises(UsageError, match=r"scores dureader with jieba, not installed here; pip install 'harness-ml"):
        LongBench(datasets=("hotpotqa", "dureader"), context=800).check({})
    LongBench(datasets=("hotpotqa", "multi_news"), context=800).check({})


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"datasets": ["hotpot_qa"]}, "did you mean hotpotqa"),
        ({"datasets": []}, "datasets is empty"),
        ({"datasets": ["trec", "trec"]}, "names trec twice"),
        ({"datasets": ["musique"], "extended": True}, r"musique is no dataset of LongBench-E"),
        ({"context": 512}, "leaves no room for a prompt before an answer of 512 tokens"),
        ({"question": "befor"}, "did you mean before"),
        ({"samples": 0}, "at least 1"),
    ],
)
def test_a_bad_setting_is_refused_with_what_to_do(knobs, message):
    with pytest.raises(KnobError, match=message):
        LongBench.build(knobs)


def test_a_context_longer_than_the_models_is_refused():
    task = LongBench(datasets=TWO, context=9000)

    with pytest.raises(IncompatibleError, match=r"context=9000 is longer than the model's 8192 .* set it to 8192"):
        task.check({"context_length": 8192})
    replace(task, context=8192).check({"context_length": 8192})


def test_a_timed_answer_must_fit_the_model_too():
    with pytest.raises(IncompatibleError, match="set it to 32 or less"):
        LongBench(datasets=TWO, context=2048, timed_new_tokens=33).check({"context_length": 2048})


def test_a_context_that_holds_no_prompt_is_refused(folder, processor):
    task = LongBench(datasets=("hotpotqa",), path=str(folder), context=36)

    with pytest.raises(IncompatibleError, match=r"longbench.context=36 leaves no room for a prompt of hotpotqa"):
        _ = task.make_samples(processor, 0)[0]


def test_samples_end_where_planned(task, processor):
    with pytest.raises(IndexError):
        task.make_samples(processor, 0)[6]
