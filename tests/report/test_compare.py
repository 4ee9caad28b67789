"""From recorded rows to a comparison."""

from dataclasses import replace

import pytest

from harness.report.compare import compare_study
from harness.spec.records import Metric
from harness.stats.latency import compare_latency
from harness.stats.paired import mcnemar, tango


def two_arms(make, before, after, **more):
    """A baseline and xkv, with these answers."""
    arms = {1: before, 2: after}
    return make.study(
        [make.run(1), make.run(2, "xkv", **more)],
        [row for number, values in arms.items() for row in make.samples(number, len(values))],
        [row for number, values in arms.items() for row in make.scores(number, values)],
    )


def only(report):
    (table,) = report.tables
    return table


def test_the_baseline_comes_first_then_methods_as_given_then_controls(make):
    table = only(compare_study(make.usual()))

    assert [row.name for row in table.rows] == [
        "identity",
        "xkv (compression_ratio 0.75)",
        "xkv (compression_ratio 0.5)",
        "knorm",
        "random_eviction",
    ]
    assert [row.role for row in table.rows] == ["baseline", "method", "method", "method", "control"]
    assert table.baseline is table.rows[0]


def test_zeros_and_ones_are_paired_by_sample(make):
    table = only(compare_study(two_arms(make, [1] * 24, [0] * 9 + [1] * 15)))
    cell = table.rows[1].quality[0]

    assert cell.estimate.value == pytest.approx(15 / 24)
    assert cell.comparison.delta == pytest.approx(-9 / 24)
    assert cell.comparison.interval == pytest.approx(tango(0, 9, 24))
    assert cell.comparison.p == mcnemar(0, 9)
    assert (cell.comparison.n, cell.comparison.outcome) == (24, "worse")
    assert table.rows[0].quality[0].comparison is None


def test_an_unfinished_run_is_paired_on_the_samples_both_have(make):
    table = only(compare_study(two_arms(make, [1] * 24, [0] * 10, status="stopped", done=10)))
    row = table.rows[1]

    assert row.quality[0].comparison.n == 10
    assert not row.finished
    assert "xkv: 10 of 24 samples done (stopped); paired on samples in common" in table.notes


@pytest.mark.parametrize("status", ["invalid", "failed"])
def test_a_run_that_is_not_valid_counts_for_nothing(make, status):
    view = two_arms(make, [1] * 24, [1] * 24, status=status, reason="sample 3 carries no evidence")
    view = replace(view, readings=make.study([], readings=make.timed(2, "ttft_s", [1.0])).readings)
    row = only(compare_study(view)).rows[1]

    assert row.quality[0].estimate.value is None
    assert row.quality[0].estimate.reason == f"{status}: sample 3 carries no evidence"
    assert row.quality[0].comparison is None
    assert row.costs == {}
    assert row.compression.ratio is None


def test_a_failed_baseline_leaves_nothing_to_compare_with(make):
    view = two_arms(make, [1] * 24, [1] * 24)
    broken = replace(view.runs[0], status="failed", reason="out of memory")
    cell = only(compare_study(replace(view, runs=(broken, view.runs[1])))).rows[1].quality[0]

    assert cell.estimate.value == 1.0
    assert (cell.comparison, cell.reason) == (None, "its baseline is failed")


def test_runs_of_different_environments_are_never_paired(make):
    view = two_arms(make, [1] * 24, [0] * 24, environment_id=2)
    view = replace(view, environments={2: "8 cores, torch 2.13"})
    timings = [*make.timed(1, "ttft_s", [1.0, 1.0]), *make.timed(2, "ttft_s", [2.0, 2.0])]
    table = only(compare_study(replace(view, readings=make.study([], readings=timings).readings)))
    row = table.rows[1]

    assert row.quality[0].comparison is None
    assert row.costs["ttft_s"].change is None
    assert (
        "xkv ran in another environment than its baseline and is not paired with it: 8 cores, torch 2.13" in table.notes
    )


def test_samples_that_were_asked_otherwise_are_not_paired(make):
    view = make.study(
        [make.run(1), make.run(2, "xkv")],
        [*make.samples(1), *make.samples(2, prompt="other")],
        [*make.scores(1, [1] * 24), *make.scores(2, [0] * 24)],
    )
    comparison = only(compare_study(view)).rows[1].quality[0].comparison

    assert (comparison.n, comparison.reason) == (0, "no sample in common")


def test_unknown_scores_stay_unknown_with_their_reason(make):
    estimate = only(compare_study(two_arms(make, [1] * 24, [None] * 24))).rows[1].quality[0].estimate

    assert (estimate.value, estimate.reason) == (None, "no answer")


def test_questions_on_one_context_count_as_one(make):
    view = two_arms(make, [1] * 24, [0] * 24)
    shared = view.samples.assign(cluster=[f"context {i // 6}" for i in view.samples["number"]])
    comparison = only(compare_study(replace(view, samples=shared))).rows[1].quality[0].comparison

    assert comparison.p == pytest.approx(2 / 2**4)
    assert comparison.reason == "fewer than six contexts differ"


def test_achieved_compression_is_summed_over_samples(make):
    table = only(compare_study(make.usual()))

    assert table.rows[0].compression.ratio == 0.0
    assert table.rows[1].compression.ratio == pytest.approx(0.748)
    assert table.rows[1].compression.factor == pytest.approx(1000 / 252)
    assert table.rows[1].compression.nominal == {"compression_ratio": 0.75}


def test_compression_that_samples_do_not_tell_is_unknown(make):
    compression = only(compare_study(two_arms(make, [1] * 24, [1] * 24))).rows[1].compression

    assert (compression.ratio, compression.reason) == (None, "its samples do not say what stays resident")


def test_a_simulated_saving_is_flagged(make):
    table = only(compare_study(two_arms(make, [1] * 24, [1] * 24, about={"simulated": True})))

    assert "xkv: simulated, the saving is computed and not realised in memory" in table.notes


def test_a_measure_that_does_not_decide_calls_no_cost(make):
    cell = only(compare_study(make.usual(make.QUICK))).rows[1].costs["ttft_s"]

    assert cell.change == pytest.approx(0.35)
    assert (cell.comparison.outcome, cell.comparison.interval) == (None, None)
    assert cell.reason == "this measure shows costs and calls nothing"


def test_a_measure_that_decides_compares_processes_of_one_session(make):
    table = only(compare_study(make.usual(make.STANDARD, processes=3)))
    costs = [row.costs["ttft_s"] for row in table.rows]

    assert costs[0].comparison is None
    assert costs[1].comparison.processes == 3
    assert [cost.comparison.outcome for cost in costs[1:]] == ["worse", "worse", "equivalent", "equivalent"]


def test_a_row_is_timed_against_its_baseline_in_the_same_session(make):
    readings = [
        *make.timed(1, "ttft_s", [1.0, 1.0], session=5),
        *make.timed(1, "ttft_s", [3.0, 3.0], session=6),
        *make.timed(2, "ttft_s", [3.0, 3.0], session=6),
    ]
    view = make.study([make.run(1), make.run(2, "xkv", session_id=6)], readings=readings)
    table = only(compare_study(view))

    assert table.rows[0].costs["ttft_s"].estimate.value == 1.0
    assert table.rows[1].costs["ttft_s"].change == 0.0


def test_timings_of_different_sessions_are_not_compared(make):
    readings = [*make.timed(1, "ttft_s", [1.0], session=5), *make.timed(2, "ttft_s", [3.0], session=6)]
    view = make.study([make.run(1), make.run(2, "xkv", session_id=6)], readings=readings)
    cell = only(compare_study(view)).rows[1].costs["ttft_s"]

    assert cell.estimate.value == 3.0
    assert (cell.change, cell.comparison.outcome) == (None, None)
    assert cell.reason == "not timed in one session with its baseline"


def test_the_same_run_in_two_arms_is_read_from_the_first(make):
    readings = [
        *make.timed(1, "ttft_s", [1.0, 1.0], position=0),
        *make.timed(1, "ttft_s", [9.0, 9.0], position=1),
    ]

    assert (
        only(compare_study(make.study([make.run(1)], readings=readings))).rows[0].costs["ttft_s"].estimate.value == 1.0
    )


def test_untimed_readings_change_without_an_outcome(make):
    cell = only(compare_study(make.usual())).rows[1].costs["cache_bytes"]

    assert cell.estimate == (252 * 2.0**15, None, 1, None)
    assert cell.change == pytest.approx(-0.748)
    assert cell.comparison is None


def test_an_unknown_reading_keeps_its_reason(make):
    cell = only(compare_study(make.usual())).rows[1].costs["energy_j"]

    assert (cell.estimate.value, cell.estimate.reason) == (None, "no counter here")


def test_a_distribution_in_a_readings_detail_is_read_too(make):
    gaps = [0.07 + 0.001 * i for i in range(60)]
    readings = make.timed(1, "tpot_s", [0.1], detail={"itl_s": gaps})
    costs = only(compare_study(make.study([make.run(1)], readings=readings))).rows[0].costs

    assert costs["itl_s"].estimate.value == pytest.approx(0.0995)
    assert costs["itl_s"].p95.value == pytest.approx(0.07 + 0.001 * 56.05)
    assert costs["itl_s"].p99.reason == "p99 needs 299 samples, there are 60"
    assert costs["tpot_s"].p95.value is None


def test_seeds_share_a_row_and_pair_within_a_seed(make):
    runs = [
        make.run(1, seed=0),
        make.run(2, "xkv", seed=0),
        replace(make.run(3, seed=1), session_id=6),
        make.run(4, "xkv", seed=1, baseline=3, session_id=6),
    ]
    answers = {1: [1] * 24, 2: [1] * 24, 3: [0] * 24, 4: [0] * 12 + [1] * 12}
    timings = [
        *make.timed(1, "ttft_s", [1.0] * 5, session=5),
        *make.timed(2, "ttft_s", [2.0] * 5, session=5),
        *make.timed(3, "ttft_s", [10.0] * 5, session=6),
        *make.timed(4, "ttft_s", [20.0] * 5, session=6),
    ]
    view = make.study(
        runs,
        [row for one in answers for row in make.samples(one)],
        [row for one, values in answers.items() for row in make.scores(one, values)],
        timings,
        replace(make.STANDARD, processes=1),
    )
    table = only(compare_study(view))
    row = table.rows[1]

    assert (len(table.rows), table.seeds) == (2, (0, 1))
    assert (row.quality[0].comparison.n, row.quality[0].comparison.differing) == (48, 12)
    assert row.costs["ttft_s"].change == pytest.approx(1.0)
    assert row.costs["ttft_s"].comparison == compare_latency([[1.0] * 5, [10.0] * 5], [[2.0] * 5, [20.0] * 5])


def test_what_trains_is_compared_by_seed(make):
    runs, answers = [], {}
    for seed in range(5):
        runs += [
            make.run(2 * seed + 1, baseline=None, seed=seed),
            make.run(2 * seed + 2, "xkv", baseline=2 * seed + 1, seed=seed, about={"prepares": True}),
        ]
        answers |= {2 * seed + 1: [0] * 12 + [1] * 12, 2 * seed + 2: [0] * (3 + seed % 2) + [1] * (21 - seed % 2)}
    view = make.study(
        runs,
        [row for one in answers for row in make.samples(one)],
        [row for one, values in answers.items() for row in make.scores(one, values)],
    )
    comparison = only(compare_study(view)).rows[1].quality[0].comparison

    assert comparison.n == 5
    assert comparison.test == "paired t test over seeds"
    assert comparison.outcome == "better"


def test_tasks_have_tables_of_their_own_and_share_holms_adjustment(make):
    runs, answers = [], {}
    for index, task in enumerate(("ruler", "longbench", "pg19")):
        first = 2 * index + 1
        runs += [make.run(first, baseline=None, task=task), make.run(first + 1, "xkv", baseline=first, task=task)]
        answers |= {first: [1] * 24, first + 1: [0] * 7 + [1] * 17}
    view = make.study(
        runs,
        [row for one in answers for row in make.samples(one)],
        [row for one, values in answers.items() for row in make.scores(one, values)],
    )
    report = compare_study(view)
    found = [table.rows[1].quality[0].comparison for table in report.tables]

    assert [table.task for table in report.tables] == ["ruler", "longbench", "pg19"]
    assert found[0].p == pytest.approx(mcnemar(0, 7))
    assert found[0].p_adjusted == pytest.approx(3 * mcnemar(0, 7))
    assert [one.outcome for one in found] == ["worse"] * 3


def test_one_task_needs_no_adjustment(make):
    assert only(compare_study(make.usual())).rows[1].quality[0].comparison.p_adjusted is None


def test_settings_show_what_varies_or_differs_from_its_default(make):
    runs = [make.run(1), make.run(2, "xkv", knobs={"group_size": 1}), make.run(3, "knorm")]
    table = only(compare_study(make.study(runs)))

    assert [row.settings for row in table.rows] == [{}, {"group_size": "1"}, {}]


def test_a_method_whose_defaults_are_unknown_shows_every_knob(make):
    table = only(compare_study(make.study([make.run(1), make.run(2, "xkv")], defaults={})))

    assert table.rows[1].settings == {"compression_ratio": "0.75", "group_size": "6"}


def test_a_metric_where_less_is_better_turns_the_outcome_around(make):
    nats = vars(Metric("loss", "nats", higher_is_better=False, aggregation="mean"))
    about = {"metrics": [nats]}
    values = {1: [2.0 + 0.01 * i for i in range(24)], 2: [2.5 + 0.011 * i for i in range(24)]}
    view = make.study(
        [make.run(1, about=about), make.run(2, "xkv", about=about)],
        [row for one in values for row in make.samples(one)],
        [row for one, scores in values.items() for row in make.scores(one, scores, "loss")],
    )
    cell = only(compare_study(view)).rows[1].quality[0]

    assert cell.estimate.value == pytest.approx(2.5 + 0.011 * 11.5)
    assert cell.comparison.outcome == "worse"


def test_a_metric_with_a_weight_counts_samples_by_it_and_does_not_show_it(make):
    metrics = [Metric("bits", "bits", False, aggregation="mean", weight="bytes"), Metric("bytes", "", True)]
    about = {"metrics": [vars(one) for one in metrics]}
    sizes = [1.0] * 12 + [3.0] * 12
    values = {1: [2.0] * 12 + [4.0] * 12, 2: [3.0] * 12 + [4.0] * 12}
    view = make.study(
        [make.run(1, about=about), make.run(2, "xkv", about=about)],
        [row for one in values for row in make.samples(one)],
        [
            row
            for one, bits in values.items()
            for row in (*make.scores(one, bits, "bits"), *make.scores(one, sizes, "bytes"))
        ],
    )
    table = only(compare_study(view))

    assert [metric.name for metric in table.metrics] == ["bits"]
    assert [row.quality[0].estimate.value for row in table.rows] == [3.5, 3.75]
    assert table.rows[1].quality[0].comparison.delta == 0.25


def test_a_statistic_of_many_samples_is_a_value_a_cluster_and_pairs_by_cluster(make):
    auroc = {"name": "auroc", "unit": "", "higher_is_better": True, "statistic": "auroc", "of": ["label", "p1"]}
    told = [{"name": name, "unit": "", "higher_is_better": True} for name in ("label", "p1")]
    about = {"metrics": [auroc, *told]}
    runs = [make.run(1, about=about), make.run(2, "knorm", about=about)]
    where = [
        row | {"stratum": "musk", "cluster": f"fold {row['number'] // 4}"} for row in make.samples(1) + make.samples(2)
    ]
    right, wrong = [0.1, 0.2, 0.8, 0.9], [0.1, 0.85, 0.8, 0.9]  # the second leaves three of four pairs in order
    given = [
        *(row for number in (1, 2) for row in make.scores(number, [0, 0, 1, 1] * 6, "label")),
        *make.scores(1, wrong * 6, "p1"),
        *make.scores(2, right * 5 + wrong, "p1"),
    ]

    (table,) = compare_study(make.study(runs, where, given)).tables
    base, other = (row.quality[0] for row in table.rows)

    assert [metric.name for metric in table.metrics] == ["auroc"]
    assert (base.estimate.value, base.estimate.n) == (0.75, 6)
    assert other.comparison.delta == pytest.approx(5 / 6 * 0.25)
    assert other.comparison.n == 6

    (table,) = compare_study(
        make.study(runs, where, given[:-1])
    ).tables  # the last fold is not whole: it pairs with nothing
    assert table.rows[1].quality[0].comparison.n == 5


def test_an_auroc_of_one_in_every_fold_is_no_share(make):
    auroc = {"name": "auroc", "unit": "", "higher_is_better": True, "statistic": "auroc", "of": ["label", "p1"]}
    about = {"metrics": [auroc]}
    where = [row | {"stratum": "musk", "cluster": "all"} for row in make.samples(1)]
    told = [*make.scores(1, [0, 1] * 12, "label"), *make.scores(1, [0.2, 0.8] * 12, "p1")]

    cell = only(compare_study(make.study([make.run(1, about=about)], where, told))).rows[0].quality[0]

    assert cell.estimate.value == 1.0
    assert cell.estimate.interval is None


def test_an_aggregation_nobody_knows_is_unknown(make):
    about = {"metrics": [vars(Metric("auroc", "", True, aggregation="rank"))]}
    view = make.study([make.run(1, about=about)], make.samples(1), make.scores(1, [1] * 24, "auroc"))

    assert only(compare_study(view)).rows[0].quality[0].estimate.reason == (
        "auroc is aggregated by rank, which is not known"
    )


def test_a_study_without_anything_recorded_yet_is_a_table_of_unknowns(make):
    view = make.study([make.run(1, status="planned", done=0), make.run(2, "xkv", status="planned", done=0)])
    row = only(compare_study(view)).rows[1]

    assert row.quality[0].estimate == (None, None, 0, "no sample has a score")
    assert row.quality[0].comparison.reason == "no sample in common"


def test_a_study_without_runs_has_no_tables(make):
    assert compare_study(make.study([])).tables == ()


def test_a_named_environment_s_runs_share_the_table_and_have_a_baseline_of_their_own(make):
    elsewhere = {"environment_id": 2, "environment": "kvpress"}
    answers = {1: [1] * 24, 2: [1] * 24, 3: [0] * 1 + [1] * 23, 4: [0] * 12 + [1] * 12}
    rows = [row for number in answers for row in make.samples(number)]
    view = make.study(
        [
            make.run(3, **elsewhere),
            make.run(4, "knorm", baseline=3, **elsewhere),
            make.run(1),
            make.run(2, "xkv"),
        ],
        rows,
        [row for number, values in answers.items() for row in make.scores(number, values)],
        environments={1: "here", 2: "Xeon, torch 2.14, kvpress 0.5.5"},
    )
    view = replace(
        view, samples=view.samples.assign(answer=[str(row["run"] == 3 and row["number"] == 0) for row in rows])
    )
    table = only(compare_study(view))
    home, away, knorm, xkv = table.rows

    assert [row.label for row in table.rows] == ["identity", "identity in kvpress", "knorm in kvpress", "xkv"]
    assert (table.baseline_of(knorm), table.baseline_of(xkv)) == (away, home)
    assert knorm.quality[0].comparison.delta == pytest.approx(-11 / 24)
    assert xkv.quality[0].comparison.delta == 0
    assert "identity in kvpress answers as identity does in 23 of 24 samples" in table.notes
    assert any(
        note.startswith("made in environment kvpress (Xeon, torch 2.14, kvpress 0.5.5) and compared with the baseline")
        for note in table.notes
    )
    assert not any("not paired" in note for note in table.notes)
