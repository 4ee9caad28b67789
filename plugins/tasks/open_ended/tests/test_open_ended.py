from dataclasses import replace

import pytest
import sacrebleu

from harness.api import IncompatibleError, SourceError
from harness.testing import contract, toy_of
from harness_plugins.subjects.causal_lm.essays import essays
from harness_plugins.tasks.open_ended.measures import distinct, off_target, self_bleu, trend
from harness_plugins.tasks.open_ended.plugin import OpenEnded

SMALL = OpenEnded(context=40, new_tokens=16, continuations=2, samples=4)

test_contract = contract(SMALL, replace(SMALL, continuations=1))


def scored(task, output):
    toy = toy_of("causal-lm")
    sample = task.make_samples(toy.processor, 0)[0]
    return {one.metric: one for one in task.score(sample, output, toy.processor)}


def test_repetition_is_the_share_of_four_grams_that_were_there_before():
    assert distinct([1, 2, 3, 4, 1, 2, 3, 4], 4) == 4 / 5  # of 1234 2341 3412 4123 1234 one repeats
    assert distinct([7] * 8, 4) == 1 / 5
    assert distinct([1, 2, 1, 2], 1) == 2 / 4
    assert distinct([1, 2, 1, 2], 2) == 2 / 3


def test_drift_is_the_last_quarter_against_the_first():
    assert trend([1.0, 3.0, 9.0, 9.0, 9.0, 9.0, 4.0, 6.0]) == 3.0


def test_off_target_knows_no_sign():
    assert off_target([1.0, 2.0], 3.0) == off_target([4.0, 5.0], 3.0) == 1.5


def test_self_bleu_is_the_mean_of_sacrebleu_against_the_others():
    texts = ["the cat sat on the mat today", "the cat sat on a mat today", "dogs bark at night near the old mill"]
    expected = sum(sacrebleu.sentence_bleu(one, [other for other in texts if other is not one]).score for one in texts)

    assert self_bleu(texts)[0] == pytest.approx(expected / 3)
    assert self_bleu(["just the same words"] * 3)[0] == pytest.approx(100)


def test_one_continuation_has_no_self_bleu_and_says_why():
    output = {"continuations": [{"tokens": list(range(3, 19)), "surprises": [2.0] * 16}]}
    found = scored(replace(SMALL, continuations=1), output)["self_bleu"]

    assert found.value is None
    assert "task.continuations=2 or more" in found.reason


def test_scores_are_means_over_continuations():
    rising = [float(one) for one in range(16)]
    output = {
        "continuations": [
            {"tokens": [5] * 16, "surprises": [1.0] * 16},
            {"tokens": list(range(20, 36)), "surprises": rising},
        ]
    }
    found = {name: one.value for name, one in scored(replace(SMALL, target=3.0), output).items()}

    assert found["repetition"] == pytest.approx((12 / 13 + 0) / 2)
    assert found["distinct_1"] == pytest.approx((1 / 16 + 1) / 2)
    assert found["distinct_2"] == pytest.approx((1 / 15 + 1) / 2)
    assert found["surprise"] == pytest.approx((1 + 7.5) / 2)
    assert found["off_target"] == pytest.approx((2 + 4.5) / 2)
    assert found["drift"] == pytest.approx((0 + 12) / 2)


def test_each_text_is_from_another_essay_of_the_test_part():
    task = replace(SMALL, samples=40)
    samples = [task.make_samples(toy_of("causal-lm").processor, 0)[number] for number in range(40)]
    names = [one.cluster for one in samples]

    assert len(set(names[:33])) == 33 == len(essays("test"))
    assert set(names) <= {one.name for one in essays("test")}
    places = [(one.target["document"], one.target["token"]) for one in samples]
    assert len(set(places)) == 40
    text = dict(essays("test"))[names[0]]
    assert toy_of("causal-lm").processor.encode(text)[places[0][1] :][:40] == samples[0].request["context"]


def test_every_continuation_has_a_seed_of_its_own():
    samples = SMALL.make_samples(toy_of("causal-lm").processor, 0)
    other = SMALL.make_samples(toy_of("causal-lm").processor, 1)
    seeds = [seed for number in range(4) for seed in samples[number].request["seeds"]]

    assert len(set(seeds)) == 8
    assert not set(seeds) & {seed for number in range(4) for seed in other[number].request["seeds"]}


def test_the_end_of_a_text_is_never_chosen():
    toy = toy_of("causal-lm")
    request = SMALL.make_samples(toy.processor, 0)[0].request

    assert request["banned"] == [0]
    assert request["stop"] == []
    assert [len(one["tokens"]) for one in toy.subject.respond(request, frozenset()).output["continuations"]] == [16, 16]


def test_a_timed_request_decodes_one_sequence_and_asks_for_no_surprise():
    sample = SMALL.make_samples(toy_of("causal-lm").processor, 0)[0]
    timed = SMALL.timed(sample)

    assert timed["seeds"] == sample.request["seeds"][:1]
    assert timed["new_tokens"] == 16
    assert "surprise" not in timed


def test_a_file_is_continued_in_place_of_the_essays(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("abcdefghijklmnopqrstuvwxyz")
    task = OpenEnded(context=5, new_tokens=8, samples=5, text=str(path))
    samples = task.make_samples(toy_of("causal-lm").processor, 0)

    assert sorted(samples[number].prompt for number in range(5)) == ["abcde", "fghij", "klmno", "pqrst", "uvwxy"]
    assert {samples[number].cluster for number in range(5)} == {None}
    assert task.sources()[0].count == 1


def test_texts_that_can_not_be_had_are_refused(tmp_path):
    with pytest.raises(SourceError, match=r"open_ended\.text=.*missing\.txt can't be read"):
        replace(SMALL, text=str(tmp_path / "missing.txt")).sources()
    short = tmp_path / "short.txt"
    short.write_text("abc")
    with pytest.raises(SourceError, match=r"short\.txt holds 0 windows of 40 tokens, open_ended\.samples is 4"):
        replace(SMALL, text=str(short)).make_samples(toy_of("causal-lm").processor, 0)


def test_a_context_that_does_not_fit_is_refused():
    with pytest.raises(IncompatibleError, match="are 8200 tokens, the model takes 8192"):
        OpenEnded(context=200, new_tokens=8000).check({"context_length": 8192})
