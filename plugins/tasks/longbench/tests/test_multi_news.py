"""LongBench's complete multi_news file, where `HARNESS_TEST_DATA` has it."""

import gzip
import os
from pathlib import Path

import pytest

from harness_plugins.tasks.longbench.plugin import LongBench

FILE = Path(os.environ.get("HARNESS_TEST_DATA", "/nowhere")) / "longtext" / "longbench_multi_news.jsonl.gz"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason="HARNESS_TEST_DATA names no folder with LongBench's file")


@pytest.fixture(scope="module")
def complete(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("longbench")
    (folder / "multi_news.jsonl").write_bytes(gzip.decompress(FILE.read_bytes()))
    return str(folder)


@pytest.fixture
def task(complete) -> LongBench:
    return LongBench(datasets=("multi_news",), path=complete, context=2048, samples=None, chat_template=False)


def test_all_of_its_rows_are_asked(task, processor):
    samples = task.make_samples(processor, seed=0)

    (source,) = task.sources()
    assert (source.count, source.split, source.note) == (200, "test", "all 200 rows; multi_news.jsonl")
    assert source.sha256 == "f8817c00af317c2d7f81128f334bcfe5780c6c2a515d5c96811aa0ddf8b5ee6b"
    assert len({samples.draws[number].record.id for number in range(200)}) == 200
    assert len({sample.cluster for sample in (samples[number] for number in range(0, 200, 20))}) == 10


def test_prompts_keep_both_ends_and_fill_the_context(task, processor):
    samples = task.make_samples(processor, seed=0)

    for sample in (samples[number] for number in range(10)):
        size = len(sample.request["context"]) + len(sample.request["question"])
        assert sample.prompt.startswith("You are given several news passages.")
        assert sample.prompt.endswith("Now, write a one-page summary of all the news.\n\nSummary:")
        assert 1536 - 4 <= size <= 1536  # the tokenizer knows few words: every text is longer


def test_scores_of_real_summaries_are_lm_evals(task, processor, lm_eval):
    samples = task.make_samples(processor, seed=0)

    for number in range(5):
        sample, other = samples[number], samples[number + 1]
        (said,) = other.target["answers"]
        (score,) = task.score(sample, {"tokens": processor.encode(said)}, processor)
        assert score.value == pytest.approx(lm_eval.score("multi_news", sample.target, said), abs=1e-9)
        assert 0.02 < score.value < 0.4
