import json

import pytest

from harness.api import SourceError
from harness_plugins.tasks.longbench.datasets import DATASETS, EXTENDED
from harness_plugins.tasks.longbench.metrics import METRICS
from harness_plugins.tasks.longbench.prompts import filled
from harness_plugins.tasks.longbench.records import record

FILES = [*DATASETS, *(f"{name}_e" for name in EXTENDED)]


def test_has_all_21_datasets_and_the_13_of_longbench_e(lm_eval):
    assert len(DATASETS) == 21
    assert len(EXTENDED) == 13
    assert set(FILES) == lm_eval.names()
    assert sum(dataset.rows for dataset in DATASETS.values()) == 4750
    assert sum(DATASETS[name].extended_rows for name in EXTENDED) == 3668


@pytest.mark.parametrize("file", FILES)
def test_prompts_are_lm_evals(file, made, parsed, lm_eval):
    name = file.removesuffix("_e")

    prompt = filled(DATASETS[name], parsed(name))

    assert prompt.context + prompt.question == lm_eval.prompt(file, made(name))
    assert prompt.context.endswith(made(name)["context"])


@pytest.mark.parametrize("file", FILES)
def test_lengths_stops_and_metrics_are_lm_evals(file, lm_eval):
    dataset, settings = DATASETS[file.removesuffix("_e")], lm_eval.settings(file)

    assert dataset.new_tokens == settings["generation_kwargs"]["max_gen_toks"]
    assert dataset.one_line == (settings["generation_kwargs"]["until"] == ["\n"])
    assert f"metrics.get_{dataset.metric}_with_score" == settings["process_results"]


@pytest.mark.parametrize("name", DATASETS)
def test_every_field_used_is_filled_from_the_official_name(name, made, parsed, lm_eval):
    template, official = lm_eval.settings(name)["doc_to_text"], made(name)

    prompt = filled(DATASETS[name], parsed(name))

    assert official["context"] in prompt.context
    assert DATASETS[name].asks == ("{{question}}" in template)
    if DATASETS[name].asks:
        assert official["input"].strip()
        assert official["input"] in prompt.question


@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize("field", ["input", "context", "answers", "all_classes", "length"])
def test_a_record_without_a_field_that_is_used_is_refused(name, field, made):
    dataset, official = DATASETS[name], made(name)
    del official[field]
    line = json.dumps(official).encode()

    used = {"input": dataset.asks, "all_classes": dataset.metric == "classification"}.get(field, True)
    if used:
        with pytest.raises(SourceError, match=f"line 3 has no '{field}'"):
            record(dataset, line, "line 3")
    else:
        record(dataset, line, "line 3")


def test_no_template_leaves_a_brace_unfilled():
    for dataset in DATASETS.values():
        assert "{" not in dataset.opening() + dataset.closing("")


def test_chat_templates_are_for_all_but_few_shot_and_code():
    raw = [name for name, dataset in DATASETS.items() if not dataset.chats]

    assert raw == ["trec", "triviaqa", "samsum", "lsht", "lcc", "repobench-p"]


def test_every_metric_is_known():
    assert {dataset.metric for dataset in DATASETS.values()} == set(METRICS)
