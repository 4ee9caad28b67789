import json
import subprocess
import sys
from dataclasses import replace

import pytest

from harness.api import IncompatibleError, UsageError
from harness_plugins.tasks.lm_eval.library import alone
from harness_plugins.tasks.lm_eval.plugin import LMEval, harness_tasks

pytestmark = pytest.mark.filterwarnings("ignore")


def task(tasks, *names, samples=2, **knobs):
    return LMEval(tasks=names, include_path=tasks, samples=samples, **knobs)


def test_importing_it_loads_nothing_beyond_pluggy():
    code = (
        "import sys; before = set(sys.modules); import harness_plugins.tasks.lm_eval.plugin; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert set(done.stdout.split()) <= {"harness", "harness_plugins", "pluggy"}
    assert harness_tasks() == [LMEval]
    assert LMEval().metrics == ()


def test_tasks_take_turns_and_more_samples_extend_the_row(tasks, processor):
    two, four = (
        list(task(tasks, "toy_choice", "toy_answer", samples=samples).make_samples(processor, 0)) for samples in (2, 4)
    )

    assert [sample.stratum for sample in two] == ["toy_choice", "toy_answer"] * 2
    assert four[:4] == two
    assert [sample.target["document"] for sample in four] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_choices_share_a_context_and_its_last_token_waits_for_compression(tasks, processor):
    sample = task(tasks, "toy_choice").make_samples(processor, 0)[1]
    items = [item for item in sample.request["score"] if len(item["context"]) > 1]

    assert len({(*item["context"], *item["question"]) for item in items}) == 1
    assert len(items[0]["question"]) == 1
    assert processor.decode(items[0]["context"] + items[0]["question"]).endswith("Answer:")
    assert [processor.decode(item["continuation"]) for item in items] == [" dog", " red fox", " owl"]
    assert sample.prompt.splitlines()[-1] == "→ owl" or "→ owl" in sample.prompt
    assert sample.target["right"] == 1


def test_requests_survive_the_way_to_a_worker(tasks, processor):
    for sample in task(tasks, "toy_choice", "toy_answer", "toy_rolling").make_samples(processor, 0):
        assert json.loads(json.dumps(sample.request)) == sample.request
        assert json.loads(json.dumps(sample.target)) == sample.target


def test_examples_follow_from_their_own_seed_alone(tasks, processor):
    first, again, other = (
        list(task(tasks, "toy_choice", num_fewshot=2, fewshot_seed=seed, samples=samples).make_samples(processor, 0))
        for seed, samples in ((1, 3), (1, 4), (2, 3))
    )

    assert again[:3] == first
    assert [sample.prompt for sample in other] != [sample.prompt for sample in first]


def test_a_source_tells_where_documents_came_from_and_which_task_it_was(tasks):
    (two,), (four,), (shots,) = (
        task(tasks, "toy_choice", samples=samples, num_fewshot=shots).sources()
        for samples, shots in ((2, None), (4, None), (2, 3))
    )

    assert (two.name, two.count, two.split) == ("toy_choice", 2, "test")
    assert two.note.startswith("of 6, 0-shot, json, task version 2.0, lm-eval ")
    assert four.sha256 == two.sha256
    assert shots.sha256 != two.sha256


def test_timed_answers_have_one_length_and_scored_texts_are_timed_as_they_are(tasks, processor):
    asked = task(tasks, "toy_choice", "toy_answer", timed_new_tokens=5)
    scored, answered = list(asked.make_samples(processor, 0))[:2]

    assert asked.timed(scored) == scored.request
    assert asked.timed(answered) == answered.request | {"new_tokens": 5, "stop": [], "halt": []}


def test_a_task_whose_data_are_not_here_ends_in_one_sentence(tasks, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(UsageError, match=r"^lm-eval can't load its task toy_remote: .*Hugging Face hub") as caught:
        task(tasks, "toy_remote").check({})
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "knobs", "sentence"),
    [
        ((), {}, "needs to know which tasks"),
        (("toy_drawn",), {}, "toy_drawn draws its answers"),
        (("toy_choise",), {}, r"no task 'toy_choise'; did you mean toy_choice\?"),
        (("toy_choice", "toy_choice"), {}, "names toy_choice twice"),
        (("toy_choice",), {"include_path": "/no/such/folder"}, "is no folder"),
    ],
)
def test_what_can_not_be_is_refused(tasks, names, knobs, sentence):
    with pytest.raises(UsageError, match=sentence):
        replace(task(tasks, *names), **knobs).check({})


def test_a_seed_would_count_documents_twice(tasks, processor):
    with pytest.raises(UsageError, match=r"draw other examples with task\.fewshot_seed"):
        task(tasks, "toy_choice").make_samples(processor, 1)


def test_an_answer_that_leaves_no_room_for_its_prompt_is_refused(tasks, processor):
    lengths = replace(task(tasks, "toy_answer"))
    instances = lengths.suite.subtasks[0].instances[0]
    samples = lengths.make_samples(processor, 0)

    with pytest.raises(IncompatibleError, match="generates up to 96 tokens, the model takes 96"):
        samples.generation(instances[0].args[0], {"until": ["."], "max_gen_toks": 96})


def test_a_name_that_two_files_or_a_group_have_is_left_to_lm_eval():
    texts = {
        "a.yaml": "task: single\noutput_type: multiple_choice\n",
        "b.yaml": "task: 'twice'\n",
        "c.yaml": "task: twice\n",
        "d.yaml": "group: several\ntask:\n  - single\n",
        "e.yaml": "task: tagged\ntag: several\n",
    }

    assert alone(texts) == {"single": "a.yaml", "tagged": "e.yaml"}
