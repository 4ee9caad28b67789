from collections import Counter

import pytest
import torch
from transformers import GenerationConfig

from harness.api import Evidence, KnobError
from harness.testing import contract
from harness.testing.contract import answered
from harness_plugins.sampling.warpers.plugin import (
    Epsilon,
    Eta,
    Greedy,
    MinP,
    Temperature,
    TopK,
    TopP,
    Typical,
)
from harness_plugins.subjects.causal_lm.sampling import Step
from harness_plugins.subjects.causal_lm.toy import make, model

TOY = make(new_tokens=12)
TOY = TOY._replace(request=TOY.request | {"surprise": True, "seeds": [3, 4]})
ALL = (Greedy(), Temperature(), TopK(), TopP(), MinP(), Typical(), Epsilon(), Eta())

test_contract = contract(*ALL, TopK(top_k=3), Temperature(temperature=2.0), toy=TOY)

GENERATE = {  # the same, as generate() is told
    Temperature(temperature=0.7): {"temperature": 0.7},
    TopK(top_k=5): {"top_k": 5},
    TopP(top_p=0.8): {"top_p": 0.8},
    MinP(min_p=0.2): {"min_p": 0.2},
    Typical(mass=0.6): {"typical_p": 0.6},
    Epsilon(epsilon=0.02): {"epsilon_cutoff": 0.02},
    Eta(epsilon=0.02): {"eta_cutoff": 0.02},
}


@pytest.mark.parametrize("method", GENERATE, ids=lambda one: one.name)
def test_leaves_the_distribution_that_generate_samples_from(method):
    ids = torch.tensor([TOY.request["context"][:20]])
    settings = {"top_k": 0, "do_sample": True, "max_new_tokens": 1, "pad_token_id": 0} | GENERATE[method]
    output = (
        model()
        .eval()
        .generate(
            ids, GenerationConfig(**settings, output_scores=True, output_logits=True, return_dict_in_generate=True)
        )
    )
    step = Step(output.logits[0][0].float(), torch.Generator())
    evidence = Evidence()
    method.begin(evidence)(step)

    assert torch.equal(step.logits, output.scores[0][0])
    assert evidence.take() == {"candidates": int((output.scores[0][0] > -torch.inf).sum())}


def test_draws_as_often_as_it_says():
    logits = torch.tensor([3.0, 2.0, 1.0, -20.0])
    generator = torch.Generator().manual_seed(0)
    choose, counts = TopK(top_k=2).begin(Evidence()), Counter()
    for _ in range(4000):
        step = Step(logits, generator)
        choose(step)
        counts[step.draw()] += 1

    assert set(counts) == {0, 1}
    assert counts[0] / 4000 == pytest.approx(float(torch.tensor([3.0, 2.0]).softmax(-1)[0]), abs=0.03)


def test_greedy_takes_one_of_equals_as_the_baseline_does():
    step = Step(torch.tensor([1.0, 5.0, 5.0]), torch.Generator())
    Greedy().begin(Evidence())(step)

    assert (step.candidates, step.draw()) == (1, 1)


def test_tokens_excluded_before_stay_excluded():
    for method in ALL:
        step = Step(torch.tensor([1.0, -torch.inf, 0.5, 0.0]), torch.Generator())
        method.begin(Evidence())(step)
        assert step.logits[1] == -torch.inf
        assert step.candidates >= 1


def test_plain_sampling_is_the_control_of_the_others():
    controls = {one.name: one.traits.controls for one in ALL}

    assert controls.pop("temperature") == ()
    assert set(controls.values()) == {("temperature",)}


def test_a_smaller_budget_leaves_fewer_candidates():
    few, many = (answered(TopK(top_k=k), TOY).evidence["candidates"] for k in (3, 30))

    assert (few, many) == (3, 30)


@pytest.mark.parametrize(
    ("kind", "knobs", "why"),
    [
        (Temperature, {"temperature": 0.0}, "temperature.temperature must be at least"),
        (TopK, {"top_k": 0}, "top_k.top_k must be at least 1, got 0"),
        (TopP, {"top_p": 1.5}, "top_p.top_p must be at most 1, got 1.5"),
        (Typical, {"mass": 1.0}, "typical.mass must be at most"),
    ],
)
def test_settings_that_can_not_be_are_refused(kind, knobs, why):
    with pytest.raises(KnobError, match=why):
        kind(**knobs)
