import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from harness.api import IncompatibleError
from harness_plugins.tasks.generation.plugin import Generation, harness_tasks

PROCESSOR = SimpleNamespace(vocab_size=50, stop_ids=[2, 7])


def test_offers_generation():
    assert harness_tasks() == [Generation]


def test_importing_it_loads_nothing_beyond_pluggy():
    code = (
        "import sys; before = set(sys.modules); import harness_plugins.tasks.generation.plugin; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert set(done.stdout.split()) <= {"harness", "harness_plugins", "pluggy"}


def test_lengths_are_exact_and_nothing_ends_early():
    task = Generation(context=300, new_tokens=20)
    sample = task.make_samples(PROCESSOR, seed=0)[0]

    assert len(sample.request["context"]) == 300
    assert sample.request["question"] == []
    assert sample.request["new_tokens"] == 20
    assert sample.request["stop"] == []
    assert task.timed(sample) == sample.request


def test_tokens_are_any_but_those_that_end_a_text():
    sample = Generation(context=3000).make_samples(PROCESSOR, seed=0)[0]

    assert set(sample.request["context"]) == set(range(50)) - {2, 7}


def test_prompts_differ_by_number_and_seed_and_more_extend_them():
    task = Generation(context=64)
    two, five, other = (
        list(one.make_samples(PROCESSOR, seed)) for one, seed in ((task, 0), (replace(task, samples=5), 0), (task, 1))
    )

    assert five[:2] == two
    assert len({tuple(sample.request["context"]) for sample in five + other}) == 7


def test_scores_nothing():
    task = Generation()
    sample = task.make_samples(PROCESSOR, 0)[0]

    assert task.metrics == ()
    assert task.score(sample, {"tokens": [1]}, PROCESSOR) == []
    assert task.planned() == 2
    assert task.sources() == []
    assert task.describe() == {"prompt": "1,024 random tokens", "answer": "128 new tokens, never ended early"}


def test_a_length_beyond_the_models_is_refused():
    with pytest.raises(IncompatibleError, match="are 1152 tokens, the model takes 1100"):
        Generation().check({"context_length": 1100})
    Generation().check({"context_length": 1152})
