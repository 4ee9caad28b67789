"""Subtasks, draws and prompts, against the installed lm-eval's."""

import ast
import random
import re
import uuid
from functools import cache
from random import Random
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest

from harness_plugins.tasks.ruler.material import Material, cut
from harness_plugins.tasks.ruler.needles import DEPTHS, NEEDLE, NEEDLES, NOISE, TEMPLATE, NeedleDraft
from harness_plugins.tasks.ruler.prompts import Wanted

KINDS = {"haystack": "type_haystack", "key": "type_needle_k", "value": "type_needle_v"}
COUNTS = {"keys": "num_needle_k", "values": "num_needle_v", "queries": "num_needle_q"}
HAYSTACKS = {"repeat": NOISE, "needle": NEEDLE.replace("{kind}", "{type_needle_v}")}


@pytest.fixture
def material(essays) -> Material:
    return Material(essays)


def test_the_eight_subtasks_have_lm_evals_settings(lm_eval):
    theirs = generator_settings(lm_eval)

    assert set(NEEDLES) == set(theirs)
    for name, ours in NEEDLES.items():
        counts = {mine: theirs[name].get(other, 1) for mine, other in COUNTS.items()}
        counts["keys"] = max(counts["keys"], counts["queries"])
        assert {mine: getattr(ours, mine) for mine in COUNTS} == counts
        assert {mine: getattr(ours, mine) for mine in KINDS} == {
            mine: theirs[name][other] for mine, other in KINDS.items()
        }


def generator_settings(lm_eval) -> dict[str, dict[str, Any]]:
    """What each of lm-eval's subtasks passes to its generator."""
    settings = {}
    for function in ast.parse((lm_eval.folder / "niah_utils.py").read_text()).body:
        if getattr(function, "name", "").startswith("niah_"):
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
            (call,) = [call for call in calls if getattr(call.func, "id", None) == "generate_samples"]
            constants = [word for word in call.keywords if isinstance(word.value, ast.Constant)]
            settings[function.name] = {word.arg: word.value.value for word in constants}
    return settings


def test_template_noise_needle_and_depths_are_lm_evals(lm_eval):
    theirs = lm_eval.take("prepare_niah", "NEEDLE", "DEPTHS", "get_haystack", np=np, cache=cache, Literal=Literal)
    template = lm_eval.take("niah_utils", "TEMPLATE").TEMPLATE

    assert template.replace("{type_needle_v}", "{kind}") == TEMPLATE
    assert theirs.NEEDLE.replace("{type_needle_v}", "{kind}") == NEEDLE
    assert theirs.get_haystack("repeat") == NOISE
    assert list(DEPTHS) == theirs.DEPTHS


def test_numbers_and_uuids_are_drawn_as_in_lm_eval(lm_eval, material):
    draft = NeedleDraft(NEEDLES["niah_multikey_3"], "any", material)
    names = ("generate_random_number", "generate_random_uuid")
    theirs = lm_eval.take("prepare_niah", *names, random=Random(7), uuid=uuid)
    ours = Random(7)

    assert draft.draw(ours, "numbers") == theirs.generate_random_number()
    assert draft.draw(ours, "uuids") == theirs.generate_random_uuid()


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("name", NEEDLES)
def test_prompts_are_lm_evals_for_the_same_draws(name, index, lm_eval, material):
    draft = NEEDLES[name].draft(Wanted(f"ruler/0/{name}", index, 1024, material))

    prompt = draft.prompt(60)

    text, references, _ = made_by_lm_eval(lm_eval, draft, 60)
    assert prompt.context + prompt.question == text
    assert list(prompt.references) == references


def made_by_lm_eval(lm_eval, draft: NeedleDraft, units: int) -> tuple[str, list[str], str]:
    """What lm-eval's generator makes where the draft's draws take the place of its own."""
    subtask = draft.subtask
    drawn = [one for key, values in zip(draft.keys, draft.values, strict=True) for one in (key, *values)]
    if subtask.haystack == "needle":
        line = re.compile(r"One of the special magic \w+ for (\S+) is: (\S+)\.")
        drawn += [one for distractor in draft.distractors(units) for one in line.fullmatch(distractor).groups()]
    drawn = iter(drawn)
    picks = iter([draft.depths if subtask.haystack == "essay" else draft.places(units), draft.asked])

    def shuffle(needles: list[str]) -> None:
        assert sorted(needles) == sorted(draft.needles)
        needles[:] = draft.needles

    def sample(population: Any, count: int) -> list[int]:
        picked = next(picks)
        assert len(picked) == count
        assert set(picked) <= set(population)
        return picked

    theirs = lm_eval.take(
        "prepare_niah",
        "DEPTHS",
        "RANDOM_SEED",
        "generate_input_output",
        np=np,
        random=SimpleNamespace(Random=lambda seed: SimpleNamespace(shuffle=shuffle), sample=sample),
        generate_random=lambda kind: next(drawn),
        cached_sent_tokenize=cut,
    )
    made = theirs.generate_input_output(
        units,
        HAYSTACKS.get(subtask.haystack) or draft.material.essays,
        template=lm_eval.take("niah_utils", "TEMPLATE").TEMPLATE,
        **{other: getattr(subtask, mine) for mine, other in (KINDS | COUNTS).items()},
    )
    assert next(drawn, None) is None
    return made


@pytest.mark.parametrize("name", NEEDLES)
def test_answer_prefixes_are_lm_evals(name, lm_eval, material):
    theirs = lm_eval.take(
        "prepare_niah",
        "DEPTHS",
        "RANDOM_SEED",
        "generate_input_output",
        "generate_samples",
        np=np,
        random=random,
        generate_random=lambda kind: kind.upper(),
        cached_sent_tokenize=cut,
        tqdm=lambda numbers, desc: numbers,
    )

    (made,) = theirs.generate_samples(
        HAYSTACKS.get(NEEDLES[name].haystack) or material.essays,
        TOKENIZER=lambda text: SimpleNamespace(input_ids=text.split()),
        template=lm_eval.take("niah_utils", "TEMPLATE").TEMPLATE,
        max_seq_length=1024,
        **generator_settings(lm_eval)[name] | {"num_samples": 1},
    )

    query = re.search(r"for (\S+(?:, .+)?) mentioned in the provided text\?$", made["input"])[1]
    assert NEEDLES[name].prefix(query) == made["gen_prefix"]


def test_a_draft_keeps_its_needles_at_any_size(material):
    draft = NeedleDraft(NEEDLES["niah_multivalue"], "any", material)

    short, long = draft.prompt(20), draft.prompt(400)

    assert short.references == long.references
    assert all(needle in short.context and needle in long.context for needle in draft.needles)


def test_an_essay_is_the_same_text_with_needles_between_sentences(material):
    draft = NeedleDraft(NEEDLES["niah_single_2"], "any", material)

    text = draft.essay(200)

    (needle,) = draft.needles
    before, after = text.split(needle)
    assert f"{before.strip()} {after.strip()}".strip() == " ".join(material.essays[:200])
    assert before.strip() == "" or before.strip()[-1] in '.!?"' or after.strip() == ""
