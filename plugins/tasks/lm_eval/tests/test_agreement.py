"""What lm-eval itself finds with its own model class on the same weights, against the same tasks asked here."""

import logging
import math
from functools import cache

import pytest
import torch

from harness_plugins.models.hf.tokenizer import Tokenizer as Processor
from harness_plugins.subjects.causal_lm.subject import LoadedCausalLM
from harness_plugins.tasks.lm_eval.plugin import LMEval
from harness_plugins.tasks.lm_eval.results import results

pytestmark = pytest.mark.filterwarnings("ignore")


def loaded(model):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()


@cache
def by_lm_eval(model, tasks, name, **knobs):
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    from transformers import AutoTokenizer

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    lm = HFLM(pretrained=loaded(model), tokenizer=AutoTokenizer.from_pretrained(model), batch_size=1)
    manager = TaskManager(include_path=tasks, include_defaults=False)
    return simple_evaluate(lm, tasks=[name], task_manager=manager, bootstrap_iters=0, limit=6, **knobs)


def by_us(model, tasks, name, **knobs):
    """Scores by metric, of each sample."""
    task, processor = LMEval(tasks=(name,), include_path=tasks, samples=6, **knobs), Processor(str(model))
    subject = LoadedCausalLM(loaded(model), "sdpa")
    found = {metric.name: [] for metric in task.metrics}
    for sample in task.make_samples(processor, 0):
        for score in task.score(sample, subject.respond(sample.request, frozenset()).output, processor):
            found[score.metric].append(score.value)
    return found


def mean(values):
    return sum(values) / len(values)


@pytest.mark.parametrize("num_fewshot", [0, 2])
def test_multiple_choice(model, tasks, num_fewshot):
    theirs = by_lm_eval(model, tasks, "toy_choice", num_fewshot=num_fewshot)
    ours = by_us(model, tasks, "toy_choice", num_fewshot=num_fewshot)

    assert {name: mean(values) for name, values in ours.items()} == pytest.approx(
        {name: theirs["results"]["toy_choice"][f"{name},none"] for name in ours}, abs=1e-5
    )
    for name in ("acc", "acc_norm", "acc_mutual_info"):
        assert ours[name] == [one[name] for one in theirs["samples"]["toy_choice"]]


def test_likelihood_and_perplexity_as_its_logarithm(model, tasks):
    theirs = by_lm_eval(model, tasks, "toy_likelihood")
    ours = by_us(model, tasks, "toy_likelihood")

    found = theirs["results"]["toy_likelihood"]
    assert mean(ours["acc"]) == found["acc,none"]
    assert math.exp(mean(ours["log_perplexity"])) == pytest.approx(found["perplexity,none"], rel=1e-5)
    assert ours["log_perplexity"] == pytest.approx(
        [-one["perplexity"] for one in theirs["samples"]["toy_likelihood"]], rel=1e-5
    )


def test_answers_until_a_stop_text_through_filters(model, tasks):
    theirs = by_lm_eval(model, tasks, "toy_answer")
    task, processor = LMEval(tasks=("toy_answer",), include_path=tasks, samples=6), Processor(str(model))
    subject, lengths = LoadedCausalLM(loaded(model), "sdpa"), []

    for filter_name in ("first-word", "whole"):
        logged = [one for one in theirs["samples"]["toy_answer"] if one["filter"] == filter_name]
        for sample, one in zip(task.make_samples(processor, 0), logged, strict=True):
            output = subject.respond(sample.request, frozenset()).output
            text = results([], sample.request, output, processor)
            scores = {score.metric: score for score in task.score(sample, output, processor)}

            lengths.append(len(output["tokens"]))
            assert text == one["resps"][0]
            assert not set(output["tokens"][:-1]) & set(sample.request["halt"])
            assert scores[f"exact_match,{filter_name}"].value == one["exact_match"]
            assert scores[f"bleu,{filter_name}"].value is None
            assert "all samples together" in scores[f"bleu,{filter_name}"].reason
            assert sample.target["doc_hash"] == one["doc_hash"]
    assert len({one["resps"][0][0] for one in logged}) > 1
    assert min(lengths) < sample.request["new_tokens"]


def test_rolling_likelihood_in_windows_counts_documents_by_their_words_and_bytes(model, tasks):
    from harness.stats.intervals import mean as weighted

    theirs = by_lm_eval(model, tasks, "toy_rolling")["results"]["toy_rolling"]
    ours = by_us(model, tasks, "toy_rolling")

    def figure(name):
        return weighted(ours[name], weights=ours[f"{name.removeprefix('log_')} weight"]).value

    assert math.exp(figure("log_word_perplexity")) == pytest.approx(theirs["word_perplexity,none"], rel=1e-5)
    assert math.exp(figure("log_byte_perplexity")) == pytest.approx(theirs["byte_perplexity,none"], rel=1e-5)
    assert figure("bits_per_byte") == pytest.approx(theirs["bits_per_byte,none"], rel=1e-5)
