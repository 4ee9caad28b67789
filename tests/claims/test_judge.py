"""Every verdict, from runs whose true difference is planted."""

from dataclasses import asdict, replace

import pytest

from harness.claims.words import figures
from harness.spec.records import Measure, Reading
from harness.store import queries
from harness.store.records import PassRecord


def reversed_arms(claim):
    return replace(claim, arms=tuple(reversed(claim.arms)))


def test_a_true_trend_is_confirmed_with_its_figures(desk):
    claim = desk.claim()
    four, nine = desk.put(claim, "task.samples=40")

    verdict = desk.judge(claim)
    finding = verdict.finding

    assert (verdict.word, finding.n, finding.wanted, finding.seeds) == ("confirmed", 40, 10, (7,))
    assert [side.runs for side in finding.sides] == [(nine,), (four,)]
    assert [side.estimate.value for side in finding.sides] == [0.9, 0.4]
    assert [side.kept for side in finding.sides] == [0.5, 0.5]
    assert [side.evidence for side in finding.sides] == [{"size": 500.0}, {"size": 500.0}]
    (comparison,) = finding.comparisons
    assert comparison.delta == pytest.approx(0.5)
    assert 0 < comparison.interval.low < 0.5 < comparison.interval.high
    assert comparison.differing == 20


def test_the_opposite_is_refuted(desk):
    claim = reversed_arms(desk.claim())
    desk.put(claim, "task.samples=40")

    verdict = desk.judge(claim)

    assert verdict.word == "refuted"
    assert verdict.finding.comparisons[0].delta == pytest.approx(-0.5)


def test_a_difference_too_small_for_its_samples_is_inconclusive(desk):
    claim = desk.claim()
    desk.put(claim)  # five of ten pairs differ: six are needed

    verdict = desk.judge(claim)

    assert (verdict.word, verdict.reason) == ("inconclusive", "fewer than six pairs differ")


def test_fewer_samples_than_asked_for_decide_nothing_however_clear_they_are(desk):
    claim = replace(desk.claim(), command=(*desk.claim().command[:-3], "task.samples=60", "seed=7"))
    desk.put(claim, samples=40)

    verdict = desk.judge(claim)

    assert verdict.finding.comparisons[0].outcome == "better"
    assert (verdict.word, verdict.reason) == ("inconclusive", "40 of the 60 samples it asks for are there")


def test_three_arms_must_each_beat_the_next(desk):
    claim = desk.claim(arms=({"skill": 9}, {"skill": 4}, {"skill": 0}))
    claim = replace(claim, command=tuple(word.replace("skill=4,9", "skill=0,4,9") for word in claim.command))
    desk.put(claim, "task.samples=40")

    assert desk.judge(claim).word == "confirmed"
    assert [side.estimate.value for side in desk.judge(claim).finding.sides] == [0.9, 0.4, 0.0]
    assert desk.judge(replace(claim, arms=({"skill": 9}, {"skill": 0}, {"skill": 4}))).word == "refuted"


@pytest.mark.parametrize(
    ("tolerance", "word"),
    [(70, "confirmed"), (50, "inconclusive"), (1, "refuted")],  # 50 points worse, [-67, -28]
)
def test_no_worse_than_a_tolerance_allows(desk, tolerance, word):
    claim = replace(desk.claim(), holds="at_least", arms=({"skill": 4}, {"skill": 9}), tolerance=tolerance)
    desk.put(claim, "task.samples=40")

    assert desk.judge(claim).word == word


@pytest.mark.parametrize(("value", "word"), [(50, "confirmed"), (75, "inconclusive"), (-50, "refuted")])
def test_a_published_difference(desk, value, word):
    claim = replace(desk.claim(), holds="difference", value=value, tolerance=30)
    desk.put(claim, "task.samples=40")

    assert desk.judge(claim).word == word


@pytest.mark.parametrize(("value", "word"), [(90, "confirmed"), (98, "inconclusive"), (30, "refuted")])
def test_a_published_score(desk, value, word):
    claim = replace(desk.claim("reads_as_published"), value=value)
    desk.put(claim)

    verdict = desk.judge(claim)

    assert verdict.word == word
    assert verdict.finding.sides[0].estimate.value == pytest.approx(0.9)


def test_arms_of_unequal_size_are_not_compared(desk):
    claim = desk.claim(arms=({"skill": 9, "size": 560}, {"skill": 4, "size": 500}))
    claim = replace(claim, command=(*claim.command, "method.shrink.size=500,560"))
    desk.put(claim, "task.samples=40")

    verdict = desk.judge(claim)

    assert (verdict.word, verdict.reason) == ("inconclusive", "the arms' bytes are 12.0% apart, 5.0% are allowed")
    assert desk.judge(replace(claim, equal_bytes=0.13)).word == "confirmed"
    assert desk.judge(replace(claim, equal_bytes=None)).word == "confirmed"


def test_evidence_is_claimed_of_as_metrics_are(desk):
    claim = desk.claim(arms=({"skill": 9},), metric="size", holds="value", value=490, tolerance=11)
    desk.put(claim, "task.samples=40")

    verdict = desk.judge(claim)

    assert (verdict.word, verdict.finding.sides[0].estimate.value) == ("confirmed", 500)
    assert desk.judge(replace(claim, value=480)).word == "refuted"
    assert "has no metric 'sze'; did you mean size" in desk.judge(replace(claim, metric="sze")).reason


def test_arms_whose_evidence_should_be_equal_are_not_compared_where_it_is_not(desk):
    claim = desk.claim(arms=({"skill": 9, "size": 560}, {"skill": 4, "size": 500}), equal_bytes=None)
    claim = replace(claim, command=(*claim.command, "method.shrink.size=500,560"), equal={"size": 0.05})
    desk.put(claim, "task.samples=40")

    assert desk.judge(claim).reason == "the arms' size are 12.0% apart, 5.0% are allowed"
    assert desk.judge(replace(claim, equal={"size": 0.13})).word == "confirmed"
    assert desk.judge(replace(claim, equal={"weight": 0.13})).reason == (
        "the samples of an arm do not tell its weight, so that they can't be compared"
    )


def test_seeds_are_taken_together(desk):
    claim = desk.claim()
    claim = replace(claim, command=tuple(word.replace("seed=7", "seed=7,8,9,11") for word in claim.command))
    desk.put(claim)

    verdict = desk.judge(claim)

    assert (verdict.word, verdict.finding.n, verdict.finding.seeds) == ("confirmed", 40, (7, 8, 9, 11))


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["model.size=2"], "done", "2 on another model (slate)"),
        (["model.precision=coarse"], "done", "2 with another precision of the model"),
        (["task.light=night"], "done", "2 with another light of the task"),
        (["method.shrink.size=400"], "done", "2 with another size"),
        (["seed=0"], "done", "2 on seed 0, which it was tuned on"),
        ([], "invalid", "2 invalid"),
        ([], "failed", "2 failed"),
        (["method.shrink.skill=4"], "done", "1 whose counterpart is missing"),
    ],
)
def test_runs_that_are_something_else_are_no_evidence(desk, words, status, told):
    claim = desk.claim()
    claim = replace(claim, command=(*claim.command, "model.precision=fine"))
    desk.put(claim, *words, "task.samples=40", status=status)

    verdict = desk.judge(claim)

    assert (verdict.word, verdict.finding) == ("not run", None)
    assert verdict.others == (f"runs that do not count: {told}",)


def test_a_precision_left_to_the_machine_fits_any(desk):
    claim = desk.claim()
    desk.put(claim, "task.samples=40", "model.precision=coarse")

    assert desk.judge(claim).word == "confirmed"


def test_runs_of_two_precisions_are_never_paired(desk):
    claim = desk.claim()
    desk.put(claim, "task.samples=40", "method.shrink.skill=9", "model.precision=coarse")
    desk.put(claim, "task.samples=40", "method.shrink.skill=4", "model.precision=fine")

    verdict = desk.judge(claim)

    assert (verdict.word, verdict.others) == ("not run", ("runs that do not count: 2 whose counterpart is missing",))


def test_the_newest_whole_runs_speak_and_the_others_are_told(desk):
    claim = desk.claim()
    fine = desk.put(claim, "task.samples=40", "model.precision=fine")
    desk.put(claim, "model.precision=coarse", samples=3)

    verdict = desk.judge(claim)

    assert verdict.word == "confirmed"
    assert sorted(run for side in verdict.finding.sides for run in side.runs) == fine
    assert verdict.others[0].startswith("inconclusive by runs 4, 3" if fine == [1, 2] else "inconclusive by runs")


def test_runs_of_older_code_are_named_and_never_mixed_with_newer_ones(desk, monkeypatch):
    claim = desk.claim()
    desk.put(claim, "task.samples=40")
    monkeypatch.setattr(type(desk.registry), "code_of", lambda self, offered: "0" * 64)

    assert "made by other code of toy_claims than today's" in desk.judge(claim).finding.notes

    desk.put(claim, "task.samples=40", "method.shrink.skill=9")  # one arm again, by today's code

    verdict = desk.judge(claim)
    assert verdict.word == "not run"
    assert verdict.others == ("runs that do not count: 2 made by older code; 1 whose counterpart is missing",)


def test_a_claim_whose_command_does_not_fit_says_so_and_stops_no_other(desk):
    verdict = desk.judge(
        desk.claim(command=("+method=shrink", "method.shrink.skil=4,9", "task=reading", "model=slate"))
    )

    assert verdict.word == "not run"
    assert "its command does not fit: " in verdict.reason
    assert "did you mean skill?" in verdict.reason


def test_what_can_not_be_run_here_says_why(desk):
    verdict = desk.judge(desk.claim("stone"))

    assert (verdict.word, verdict.reason) == ("not run", "can't be run here: there is no stone here")


def test_runs_that_settle_nothing_decide_nothing_however_clear_they_are(desk, monkeypatch):
    why = "size 500 finds again what was there before"
    monkeypatch.setattr(desk.registry.methods["shrink"], "unfit", lambda self, facts: why)
    claim = desk.claim()
    desk.put(claim, "task.samples=40")

    assert (desk.judge(claim).word, desk.judge(claim).reason) == ("inconclusive", why)


# Costs: timed in one session that decides.

STANDARD = Measure("standard", processes=3, warmups=1, samples=5, decides=True)
QUICK = replace(STANDARD, name="quick", decides=False)


@pytest.fixture
def faster(desk):
    """A claim that more skill takes less time, and its runs: (more, less)."""
    claim = desk.claim(metric="", cost="latency_s", equal_bytes=None)
    claim = replace(claim, command=(*claim.command, "measure=standard"))
    less, more = desk.put(claim)
    return claim, [more, less]


def time(desk, runs, seconds, measure=STANDARD, processes=3):
    home = queries.run(desk.store, runs[0]).environment_id
    session = desk.store.open_session(asdict(measure), home, runs, "me")
    for process in range(processes):
        for position, each in enumerate(seconds):
            took = [Reading("latency_s", each * (1 + 0.01 * one), "s", "clock", sample=one) for one in range(5)]
            desk.store.add_process(session, position, process, [PassRecord("latency", 1, took)])
    desk.store.close_session(session)


def test_a_cost_is_judged_by_processes_timed_together(desk, faster):
    claim, runs = faster
    time(desk, runs, [0.1, 0.4])

    verdict = desk.judge(claim)

    assert (verdict.word, verdict.finding.n, verdict.finding.wanted) == ("confirmed", 3, 3)
    assert verdict.finding.comparisons[0].delta == pytest.approx(-0.75)
    assert (
        "latency_s 102.0 ms against 408.0 ms: -75.0 % [-75.0, -75.0], 3 processes an arm" in figures(verdict.finding)[0]
    )
    assert desk.judge(reversed_arms(claim)).word == "refuted"


def test_costs_that_hardly_differ_refute_that_one_is_lower(desk, faster):
    claim, runs = faster
    time(desk, runs, [0.100, 0.101])

    assert desk.judge(claim).word == "refuted"


def test_only_a_session_that_decides_counts_even_where_a_newer_one_does_not(desk, faster):
    claim, runs = faster
    time(desk, runs, [0.4, 0.1], QUICK)
    verdict = desk.judge(claim)
    assert (verdict.word, verdict.reason) == (
        "inconclusive",
        "latency_s was not read in one session of these runs that decides",
    )

    time(desk, runs, [0.1, 0.4])
    time(desk, runs, [0.4, 0.1], QUICK)
    assert desk.judge(claim).word == "confirmed"


def test_fewer_processes_than_the_measure_asks_for_decide_nothing(desk, faster):
    claim, runs = faster
    time(desk, runs, [0.1, 0.4], processes=2)

    verdict = desk.judge(claim)
    assert (verdict.word, verdict.reason) == ("inconclusive", "2 of the 3 processes it asks for are there")


def test_a_measure_that_decides_nothing_about_costs_is_refused(desk, faster):
    claim, _ = faster
    verdict = desk.judge(replace(claim, command=(*claim.command[:-1], "measure=quick")))

    assert verdict.word == "not run"
    assert "measure=quick decides nothing about latency_s; add measure=standard" in verdict.reason
