from contextlib import ExitStack, contextmanager

import pytest
import torch

from harness.plugin.contracts import Stack
from harness.plugin.discovery import load
from harness.testing import Toy
from harness.testing.checks import prepared
from harness_plugins.subjects.causal_lm.toy import Characters, make, model

SMALL = {"window": 8, "calibration_texts": 2, "calibration_tokens": 32}  # of methods that have them
METHODS = [  # what a sampler has the model say, it need not find likeliest
    method
    for method in load().methods.values()
    if "causal-lm" in method.traits.subjects and "next_token" not in method.traits.seams
]


class Arm:
    def __init__(self, *methods):
        self.stack, self.failed = Stack(methods), False

    @contextmanager
    def apply(self, subject):
        toy = Toy(subject, {}, dict, Characters())
        with ExitStack() as opened:
            artifacts = [opened.enter_context(prepared(method, toy)) for method in self.stack.methods]
            opened.enter_context(self.stack.apply(subject, artifacts))
            yield


def small(method):
    return method.build({name: SMALL[name] for name in SMALL if name in {one.name for one in method.knobs()}})


def split(ids, question, end):
    return {"context": ids[: question[0]], "question": ids[slice(*question)], "continuation": ids[question[1] : end]}


def bare(ids, continuation):
    """Log-probabilities of a text's last tokens, and whether each was the likeliest, by transformers alone."""
    with torch.inference_mode():
        logits = model().eval()(input_ids=torch.tensor([ids])).logits[0, -len(continuation) - 1 : -1]
    found = logits.log_softmax(-1)[range(len(continuation)), continuation].tolist()
    return found, (logits.argmax(-1) == torch.tensor(continuation)).tolist()


@pytest.mark.parametrize("at_once", [512, 3])
@pytest.mark.parametrize(("question", "end"), [((40, 41), 60), ((40, 40), 60), ((40, 47), 48), ((1, 1), 9)])
def test_scores_are_those_of_transformers_on_the_whole_text(monkeypatch, at_once, question, end):
    monkeypatch.setattr("harness_plugins.subjects.causal_lm.scoring.AT_ONCE", at_once)
    toy = make()
    ids = toy.request["context"]
    item = split(ids, question, end)

    (scored,) = toy.subject.respond({"score": [item]}, frozenset()).output["scores"]

    logprobs, likeliest = bare(ids[:end], item["continuation"])
    assert scored["logprobs"] == pytest.approx(logprobs, abs=1e-4)
    assert scored["likeliest"] == likeliest


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_each_phase_scores_as_transformers_does_on_the_whole_text(phase):
    toy = make()
    ids = toy.request["context"]
    items = [{**split(ids, (40, 43), 60), "phase": phase}, {**split(ids, (1, 1), 9), "phase": phase}]

    found = toy.subject.respond({"score": items}, frozenset())

    for item, scored, end in zip(items, found.output["scores"], (60, 9), strict=True):
        logprobs, likeliest = bare(ids[:end], item["continuation"])
        assert scored["logprobs"] == pytest.approx(logprobs, abs=1e-4)
        assert scored["likeliest"] == likeliest
    assert found.observed["seen"] == {"prefill": (60 + 9) / 2, "decode": (40 + 1) / 2}[phase]


def test_a_phase_says_how_tokens_are_fed(monkeypatch):
    toy, fed = make(), []
    feed = toy.subject.logits

    def logits(caches, ids, needs=frozenset(), last=1):
        fed.append(len(ids[0]))
        return feed(caches, ids, needs, last)

    monkeypatch.setattr(toy.subject, "logits", logits)
    item = split(toy.request["context"], (40, 40), 44)
    for phase in ({}, {"phase": "decode"}, {"phase": "prefill"}):
        toy.subject.respond({"score": [{**item, **phase}]}, frozenset())

    assert fed == [40, 3, *[40, 1, 1, 1], 44]


def test_a_context_is_prefilled_and_acted_on_once_for_all_that_follows_it():
    toy = make()
    ids, marks = toy.request["context"], []
    toy.subject.marker = marks.append
    items = [split(ids, (40, 41), 44), split(ids, (50, 51), 53), split(ids, (40, 42), 49)]

    scores = toy.subject.respond({"score": items}, frozenset()).output["scores"]

    toy.subject.marker = None
    assert marks == ["prefill", "compress", "score", "score", "prefill", "compress", "score"]
    for item, scored in zip(items, scores, strict=True):
        assert scored == toy.subject.respond({"score": [item]}, frozenset()).output["scores"][0]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_what_a_method_has_the_model_say_is_what_it_finds_likeliest(method):
    toy, arm = make(new_tokens=12), Arm(small(method))
    with arm.apply(toy.subject):
        said = toy.subject.respond(toy.request, arm.stack.needs()).output["tokens"]
        other = [token + 1 if token < 96 else 3 for token in said]
        texts = [{**toy.request, "continuation": one} for one in (said, other, said)]
        scores = toy.subject.respond({"score": texts}, arm.stack.needs()).output["scores"]

    assert scores[0] == scores[2]
    assert all(scores[0]["likeliest"])
    assert not scores[1]["likeliest"][0]


def test_arms_that_share_prefills_score_as_they_do_alone():
    toy = make()
    ids = toy.request["context"]
    request = {"score": [split(ids, (40, 41), 44), split(ids, (70, 71), 75), split(ids, (40, 41), 46)]}
    request["score"] += [{**split(ids, (40, 41), 44), "phase": phase} for phase in ("decode", "prefill")]
    arms = [Arm(), *(Arm(small(method)) for method in METHODS)]

    together = dict(toy.subject.answer(request, arms))

    for arm in arms:
        with arm.apply(toy.subject):
            alone = toy.subject.respond(request, arm.stack.needs())
        assert together[arm] == alone
    assert together[arms[0]].observed["seen"] == (40 + 70 + 44) / 3
    assert together[arms[0]].observed["full_bytes"] == 4 * 2 * 2 * 154 * 8 * 4  # of all three contexts


def test_phases_of_several_contexts_add_up_and_nothing_is_decoded():
    toy = make()
    marks = [("prefill", 5), ("compress", 6), ("score", 9), ("prefill", 14), ("compress", 16), ("score", 20)]

    readings = {one.metric: one for one in toy.subject.durations(0, marks, 21)}

    assert readings["prefill_s"].value == pytest.approx(10e-9)
    assert readings["compress_s"].value == pytest.approx(3e-9)
    assert readings["latency_s"].value == pytest.approx(21e-9)
    assert readings["ttft_s"].value is None
    assert readings["tpot_s"].reason == "continuations are scored, none is decoded"
