"""How the next token is chosen, at the seam `next_token`."""

from math import inf, log

import pytest
import torch

from harness.engine.arm import RunArm
from harness.plugin.contracts import Stack
from harness.plugin.discovery import load
from harness_plugins.subjects.causal_lm.sampling import bits, drawn
from harness_plugins.subjects.causal_lm.subject import LoadedCausalLM
from harness_plugins.subjects.causal_lm.toy import make, model

SAMPLERS = {
    "greedy": {},
    "temperature": {"temperature": 0.7},
    "top_k": {"top_k": 5},
    "top_p": {"top_p": 0.8},
    "min_p": {},
    "typical": {},
    "epsilon": {},
    "eta": {},
    "mirostat": {"tau": 2.0},
}


def method(name, **knobs):
    return load().method(name).build(SAMPLERS[name] | knobs)


def arm(*methods):
    return RunArm(0, Stack(methods), lambda *event, **facts: None)


def request_of(toy, **more):
    return toy.request | {"new_tokens": 24, "surprise": True} | more


def answer(subject, request, *arms):
    """Output and evidence of each arm, taken as a worker takes them."""
    found = {one: (response, one.evidence) for one, response in subject.answer(request, arms)}
    return [found[one] for one in arms]


def test_tokens_come_as_often_as_softmax_says():
    logits = torch.tensor([0.0, log(2), log(3), -inf, log(4)])
    generator = torch.Generator().manual_seed(0)
    counts = torch.bincount(torch.tensor([drawn(logits, generator) for _ in range(20_000)]), minlength=5)

    expected = torch.tensor([0.1, 0.2, 0.3, 0.0, 0.4])
    assert torch.allclose(counts / 20_000, expected, atol=4 * 0.5 / 20_000**0.5)
    assert counts[3] == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_sequence_is_the_same_alone_and_in_a_batch(dtype):
    subject = LoadedCausalLM(model().to(dtype), "sdpa")
    request = request_of(make(), seeds=[7, 8])
    methods = [method(name) for name in SAMPLERS]

    together = answer(subject, request, *(arm(one) for one in methods))
    alone = [answer(subject, request, arm(one))[0] for one in methods]
    apart = [
        [answer(subject, request | {"seeds": [seed]}, arm(one))[0][0].output["continuations"][0] for seed in (7, 8)]
        for one in methods
    ]

    def tokens(continuations):
        return [one["tokens"] for one in continuations]

    shown = [tokens(response.output["continuations"]) for response, _ in together]
    assert shown == [tokens(response.output["continuations"]) for response, _ in alone] == list(map(tokens, apart))
    assert len({str(one) for one in shown}) > 5, "samplers must differ for this to mean something"
    for (response, evidence), (_, by_itself) in zip(together, alone, strict=True):
        assert evidence == pytest.approx(by_itself, rel=1e-3)
        assert evidence["candidates"] == response.observed["candidates"]


def test_seeds_draw_differently_and_each_the_same_twice():
    toy = make()
    response, _ = answer(toy.subject, request_of(toy, seeds=[1, 2, 1]), arm(method("temperature")))[0]
    one, two, again = response.output["continuations"]

    assert one == again
    assert one["tokens"] != two["tokens"]


def test_without_a_seed_the_context_is_one():
    toy = make()
    request = request_of(toy)
    other = request | {"context": [*request["context"][1:], 5]}
    sampler = method("temperature")
    outputs = [answer(toy.subject, one, arm(sampler))[0][0].output["tokens"] for one in (request, request, other)]

    assert outputs[0] == outputs[1] != outputs[2]


def test_surprise_is_what_scoring_the_same_tokens_says():
    toy = make()
    request = request_of(toy)
    response, _ = answer(toy.subject, request, arm(method("temperature")))[0]
    tokens, surprises = response.output["tokens"], response.output["surprises"]
    item = {"context": request["context"], "question": request["question"], "continuation": tokens}
    scored = toy.subject.respond({"score": [item]}, frozenset()).output["scores"][0]["logprobs"]

    assert surprises == pytest.approx([-nats / log(2) for nats in scored], rel=1e-4)
    assert response.observed["surprise"] == pytest.approx(sum(surprises) / len(surprises))


def test_greedy_decoding_tells_surprise_too():
    toy = make()
    told = toy.subject.respond(request_of(toy), frozenset()).output
    bare = toy.subject.respond(toy.request | {"new_tokens": 24}, frozenset()).output

    assert told["tokens"] == bare["tokens"]
    assert "surprises" not in bare
    assert len(told["surprises"]) == 24


@pytest.mark.parametrize("name", [None, "temperature"])
def test_a_banned_token_is_never_chosen(name):
    toy = make()
    stack = [method(name)] if name else []
    free = answer(toy.subject, request_of(toy), arm(*stack))[0][0].output["tokens"]
    held = answer(toy.subject, request_of(toy, banned=sorted(set(free))), arm(*stack))[0][0].output["tokens"]

    assert not set(free) & set(held)


def test_surprise_is_measured_over_what_is_not_banned():
    logits = torch.tensor([log(2), log(2), -inf])

    assert bits(logits).tolist() == [1.0, 1.0, inf]


def test_a_stop_token_is_in_neither_tokens_nor_surprises():
    toy = make()
    free = toy.subject.respond(request_of(toy), frozenset()).output["tokens"]
    stopped = toy.subject.respond(request_of(toy, stop=[free[3]]), frozenset()).output

    assert len(stopped["surprises"]) == len(stopped["tokens"]) == free.index(free[3])


def test_samplers_stack_in_order():
    toy = make()
    stacked = answer(toy.subject, request_of(toy), arm(method("temperature", temperature=1e-3), method("top_k")))[0]
    greedy = toy.subject.respond(request_of(toy), frozenset()).output

    assert stacked[0].output["tokens"] == greedy["tokens"]
    assert stacked[1] == {"temperature.candidates": 97.0, "top_k.candidates": 5.0}


def test_a_sampler_acts_on_a_compressed_cache():
    toy = make()
    half = load().method("knorm").build({})
    response, evidence = answer(toy.subject, request_of(toy), arm(half, method("mirostat")))[0]

    assert response.observed["kept"] == 48
    assert evidence["mirostat.surprise"] == pytest.approx(response.observed["surprise"], rel=1e-6)


def test_a_sampler_that_raises_fails_alone():
    toy = make()

    class Broken(type(method("top_k"))):
        def begin(self, evidence):
            def fail(step):
                raise RuntimeError("planted")

            return fail

    arms = [arm(method("top_p")), arm(Broken()), arm(method("temperature"))]
    answered = [one for one, _ in toy.subject.answer(request_of(toy), arms)]

    assert [one.failed for one in arms] == [False, True, False]
    assert answered == [arms[0], arms[2]]
    assert arms[0].evidence["candidates"] > 0


def test_a_sampler_can_not_follow_one_that_has_drawn():
    from harness.engine.plan import check_light
    from harness.spec.errors import IncompatibleError

    registry = load()
    task, recipe = registry.task("generation")(), registry.model("hf")()
    check_light(registry, Stack((method("temperature"), method("mirostat"))), task, recipe)
    with pytest.raises(IncompatibleError, match="top_k can't follow mirostat in a stack"):
        check_light(registry, Stack((method("mirostat"), method("top_k"))), task, recipe)
