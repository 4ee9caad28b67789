from dataclasses import replace
from math import log2

import pytest
import torch

from harness.api import Evidence, KnobError
from harness.testing import contract, toy_of
from harness.testing.contract import answered
from harness_plugins.sampling.mirostat.plugin import Mirostat
from harness_plugins.sampling.warpers.plugin import Temperature
from harness_plugins.subjects.causal_lm.sampling import Step, bits
from harness_plugins.subjects.causal_lm.toy import make

TOY = make(new_tokens=12)
TOY = TOY._replace(request=TOY.request | {"surprise": True, "seeds": [3, 4]})

test_contract = contract(Mirostat(), Mirostat(version=1, m=20, tau=2.0), Mirostat(surprise_from="truncated"), toy=TOY)

ZIPF = -1.1 * torch.arange(1, 1001).float().log()  # logits of p ∝ rank^-1.1, 1000 tokens
ENTROPY = float((bits(ZIPF) * ZIPF.softmax(-1)).sum())


class Recorded(Evidence):
    """Keeps the numbers themselves."""

    def __init__(self):
        super().__init__()
        self.all = {}

    def record(self, **numbers):
        for name, number in numbers.items():
            self.all.setdefault(name, []).append(float(number))


def run(method, steps, logits=ZIPF, seed=0):
    """Steps of one sequence whose next token is always as likely: tokens, what was recorded."""
    evidence, generator = Recorded(), torch.Generator().manual_seed(seed)
    choose = method.begin(evidence)
    tokens = []
    for _ in range(steps):
        step = Step(logits.clone(), generator)
        choose(step)
        tokens.append(step.token)
    return tokens, evidence.all


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("tau", "eta"), [(3.0, 0.1), (4.0, 0.1), (5.0, 0.1), (3.0, 1.0)])
def test_the_error_is_exactly_how_far_the_bound_moved(version, tau, eta):
    """Σ(S − τ) = (μ₀ − μₙ) ÷ η, so that the mean can't be off by more than the bound moved ÷ ηn."""
    _, seen = run(Mirostat(tau=tau, eta=eta, version=version), 2001)
    steps, start, end = 2000, seen["bound"][0], seen["bound"][2000]

    assert start == 2 * tau
    mean = sum(seen["surprise"][:steps]) / steps
    assert mean - tau == pytest.approx((start - end) / (eta * steps), abs=1e-9)
    assert abs(mean - tau) < 0.1


def test_one_update_by_hand():
    """A surprise of 5 bits at a target of 3 lowers the bound by 0.1 × 2."""
    logits = torch.full((32,), 0.0)  # each token 5 bits
    _, seen = run(Mirostat(tau=3.0, eta=0.1), 2, logits)

    assert seen["surprise"][0] == 5.0
    assert seen["bound"] == pytest.approx([6.0, 5.8])


def test_no_bound_is_plain_sampling_and_no_surprise_greedy_decoding():
    toy = TOY
    plain, unbound = answered(Temperature(), toy), answered(Mirostat(tau=1000.0), toy)

    assert unbound.response.output == plain.response.output
    assert unbound.evidence["saturated"] == 1.0
    assert answered(Mirostat(tau=0.0), toy).response.output == answered(None, toy).response.output


def test_the_first_bound_of_1_000_bits_draws_the_same_tokens_as_plain_sampling_on_any_distribution():
    generator = torch.Generator().manual_seed(5)
    for number in range(20):
        logits = 4 * torch.randn(300, generator=generator)
        tokens, _ = run(Mirostat(tau=1000.0), 30, logits, seed=number)
        same = torch.Generator().manual_seed(number)
        assert tokens == [Step(logits, same).draw() for _ in range(30)]


@pytest.mark.parametrize("version", [1, 2])
def test_equal_seeds_give_equal_tokens(version):
    method = Mirostat(version=version)

    assert run(method, 200) == run(method, 200)
    assert run(method, 200)[0] != run(method, 200, seed=1)[0]


def test_every_sequence_starts_at_twice_the_target():
    """Also where it stays applied from one request to the next, and where several continue one text."""
    subject = TOY.subject
    with Mirostat().apply(subject) as evidence:
        first = subject.respond(TOY.request, frozenset()).output
        seen = evidence.take()
        again = subject.respond(TOY.request, frozenset()).output
        assert evidence.take() == seen
    alone = [subject_answer({**TOY.request, "seeds": [seed]}) for seed in (3, 4)]

    assert first == again == {"continuations": alone}


def subject_answer(request):
    return answered(Mirostat(), TOY._replace(request=request)).response.output["continuations"][0]


def test_measured_after_the_cut_the_whole_surprise_is_above_the_target():
    _, seen = run(Mirostat(tau=3.0, surprise_from="truncated"), 3000)
    whole = sum(seen["surprise"]) / 3000

    assert whole > 3.1
    assert abs(sum(run(Mirostat(tau=3.0), 3000)[1]["surprise"]) / 3000 - 3.0) < 0.1


def test_above_the_entropy_the_bound_runs_away_and_says_so():
    _, seen = run(Mirostat(tau=ENTROPY + 1), 3000)

    assert sum(seen["surprise"]) / 3000 == pytest.approx(ENTROPY, abs=0.2)
    assert seen["bound"][-1] > seen["bound"][0] + 100
    assert sum(seen["saturated"]) / 3000 > 0.95
    assert sum(run(Mirostat(tau=3.0), 3000)[1]["saturated"]) == 0


def test_candidates_are_what_the_bound_leaves():
    logits = torch.tensor([8.0, 4.0, 2.0, 1.0, 1.0]).log()  # 1, 2, 3, 4 and 4 bits
    _, seen = run(Mirostat(tau=1.25), 1, logits)

    assert seen["candidates"] == [2.0]
    assert seen["surprise"][0] in (pytest.approx(log2(2)), pytest.approx(log2(4)))


def test_evidence_is_the_surprise_that_the_subject_saw():
    found = answered(replace(Mirostat(), version=1), TOY)

    assert found.evidence["surprise"] == pytest.approx(found.response.observed["surprise"], rel=1e-9)


@pytest.mark.parametrize(("knobs", "why"), [({"eta": 0.0}, "at least 0.001"), ({"version": 3}, "one of 1, 2")])
def test_settings_that_can_not_be_are_refused(knobs, why):
    with pytest.raises(KnobError, match=why):
        Mirostat(**knobs)


def test_the_toy_of_the_kind_runs_it_too():
    assert answered(Mirostat(), toy_of("causal-lm")).evidence["candidates"] >= 1
