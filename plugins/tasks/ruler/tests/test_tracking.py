"""Variable tracking, against samples of the installed lm-eval's generator."""

import random
import re
import string
from types import SimpleNamespace

import numpy as np
import pytest

from harness_plugins.tasks.ruler.needles import NOISE
from harness_plugins.tasks.ruler.tracking import PREFIX, Chain, TrackingDraft


@pytest.fixture(scope="module")
def theirs(lm_eval):
    return lm_eval.take(
        "vt_utils",
        "CONFIG",
        "TEMPLATE",
        "generate_chains",
        "generate_input_output",
        "randomize_icl",
        "sys_vartrack_w_noise_random",
        random=random.Random(5),
        string=string,
        np=SimpleNamespace(random=np.random.RandomState(5)),
        tqdm=iter,
    )


def test_prompts_are_lm_evals_for_the_same_draws(theirs, lm_eval):
    make = theirs.sys_vartrack_w_noise_random
    example = make(lm_eval.tokenizer, num_samples=1, max_seq_length=500, incremental=5)[0]
    for made in make(lm_eval.tokenizer, num_samples=3, max_seq_length=1500, icl_example=example):
        solved, asked = (taken_apart(part) for part in made["input"].split("\n\n\n\n"))
        draft = TrackingDraft("any")
        draft.example, draft.example_places = solved.chain, solved.places
        draft.chain, draft.places = asked.chain, lambda lines, asked=asked: asked.places

        prompt = draft.prompt(asked.lines)

        assert prompt.context + prompt.question == made["input"]
        assert prompt.prefix.strip() == made["gen_prefix"]
        assert list(prompt.references) == made["outputs"]


def taken_apart(text: str) -> SimpleNamespace:
    found = list(re.finditer(r"VAR ([A-Z]+) = (?:VAR )?(\w+)", text))
    chain = Chain(tuple(match[1] for match in found), int(found[0][2]))
    return SimpleNamespace(
        chain=chain, places=[text[: match.start()].count(NOISE) for match in found], lines=text.count(NOISE)
    )


def test_the_prefix_is_rulers_with_its_space_at_the_end(theirs):
    assert (
        f" {PREFIX}".replace("{count}", "{num_v}").replace("{value}", "{query}")
        == (theirs.CONFIG["variable_tracking"]["answer_prefix"])
    )


def test_a_chain_is_in_order_and_its_names_are_the_references():
    draft = TrackingDraft("any")

    prompt = draft.prompt(40)

    asked = taken_apart(prompt.context.split("\n\n\n\n")[1])
    assert asked.chain == draft.chain
    assert asked.lines == 40
    assert prompt.references == draft.chain.names
    assert len(set(prompt.references)) == 5
    assert all(len(name) == 5 for name in prompt.references)
    assert prompt.question.endswith(f"the value {draft.chain.value} in the text above.")


def test_names_are_distinct_and_never_the_keyword():
    class Scripted(random.Random):
        drawn = iter(["VAR", "AAA", "AAA", "BBB", "CCC", "DDD", "EEE"])

        def choices(self, population, k):
            return next(self.drawn)

    assert Chain.drawn(Scripted(1), letters=3).names == ("AAA", "BBB", "CCC", "DDD", "EEE")
