"""Common and frequent words, against samples of the installed lm-eval's generators."""

import random
import re
import string
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import zeta
from wonderwords import RandomWord

from harness_plugins.tasks.ruler import words as module
from harness_plugins.tasks.ruler.material import Material
from harness_plugins.tasks.ruler.words import ZETA, CodedDraft, CommonDraft, numbered


@pytest.fixture(scope="module")
def vocabulary() -> list[str]:
    return Material(None).vocabulary


@pytest.fixture
def common(lm_eval, vocabulary):
    return lm_eval.take(
        "cwe_utils",
        "CONFIG",
        "TEMPLATE",
        "get_example",
        "generate_input_output",
        "sys_word_pair_random",
        random=random.Random(5),
        RNG=random.Random(42),
        WORDS=vocabulary,
        tqdm=lambda numbers, desc: numbers,
    )


def test_the_vocabulary_is_lm_evals(lm_eval, vocabulary):
    theirs = lm_eval.take("cwe_utils", "WORDS", r=RandomWord())

    assert vocabulary == theirs.WORDS
    assert Material(None).source("vocabulary").note == "8166 nouns, adjectives and verbs"


@pytest.mark.parametrize(("context", "units"), [(1500, 60), (4096, 70)])
def test_lists_are_lm_evals_for_the_same_draws(context, units, common, lm_eval, vocabulary, monkeypatch):
    for made in common.sys_word_pair_random(num_samples=2, max_seq_length=context, tokenizer=lm_eval.tokenizer):
        lists = iter([made["input_example"].split("\n")[1], made["input"].split("\n")[1]])
        monkeypatch.setattr(module, "listing", lambda *_, lists=lists: numbered(words_of(next(lists))))
        draft = CommonDraft("any", vocabulary, long=context >= 4096)
        draft.words = made["outputs"]
        draft.example = words_of(made["input_example"].split("list are:")[1])

        prompt = draft.prompt(units)

        # lm-eval leaves the example out of its prompt; RULER joins the two with a line break.
        assert prompt.context + prompt.question == made["input_example"] + "\n" + made["input"]
        assert prompt.prefix == made["gen_prefix"]
        assert list(prompt.references) == made["outputs"]


@pytest.mark.parametrize("context", [1500, 4096])
def test_words_are_repeated_as_in_lm_eval(context, common, vocabulary):
    example, asked, _ = common.generate_input_output(70, context)

    prompt = CommonDraft("any", vocabulary, long=context >= 4096).prompt(70)

    ours = prompt.context.split("\n")
    for mine, other in ((ours[1], example.split("\n")[1]), (ours[4], asked.split("\n")[1])):
        assert sorted(Counter(words_of(mine)).values()) == sorted(Counter(words_of(other)).values())
    counts = Counter(words_of(ours[4]))
    assert {word for word, _ in counts.most_common(10)} == set(prompt.references)
    assert len(counts) == 70


def words_of(listed: str) -> list[str]:
    return re.split(r"(?:^| )\d+\. ", listed)[1:]


@pytest.mark.parametrize("units", [53, 200, 439, 3000])
def test_coded_texts_are_lm_evals_for_the_same_draws(units, lm_eval):
    draft = CodedDraft("any", size=1024 // 50)
    shuffled = iter([draft.ranked, draft.text(units), draft.text(units)])

    def shuffle(given: list[str]) -> None:
        wanted = next(shuffled)
        if wanted is not draft.ranked:
            assert sorted(given) == sorted(wanted)
        given[:] = wanted

    drawn = iter(["zzzzzz", *draft.ranked[1:]])
    theirs = lm_eval.take(
        "fwe_utils",
        "CONFIG",
        "SEED",
        "TEMPLATE",
        "generate_input_output",
        random=SimpleNamespace(
            choices=lambda letters, k: next(drawn), Random=lambda seed: SimpleNamespace(shuffle=shuffle)
        ),
        string=string,
        np=np,
        zeta=zeta,
        transformers=SimpleNamespace(PreTrainedTokenizerFast=object),
    )
    text, answer, _ = theirs.generate_input_output(
        9, lambda text: SimpleNamespace(input_ids=[]), num_words=units, vocab_size=20
    )

    prompt = draft.prompt(units)

    assert f"{prompt.context}{prompt.question} {prompt.prefix}" == text
    assert list(prompt.references) == answer


def test_zeta_is_scipys():
    assert zeta(2.0) == ZETA


@pytest.mark.parametrize("units", [53, 60, 73, 100, 1000])
def test_the_three_words_asked_for_are_the_most_frequent_but_for_the_dots(units):
    draft = CodedDraft("any", size=20)

    counts = Counter(draft.text(units))

    ranks = [count for word, count in counts.most_common() if word != "..."]
    assert counts["..."] > ranks[0]
    assert {word for word in counts if counts[word] >= ranks[2]} - {"..."} == set(draft.prompt(units).references)


def test_coded_words_are_six_letters_and_distinct():
    ranked = CodedDraft("any", size=80).ranked

    assert len(set(ranked)) == 80
    assert all(re.fullmatch("[a-z]{6}", word) for word in ranked[1:])
