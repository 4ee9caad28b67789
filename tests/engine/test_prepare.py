"""Methods that learn first, and what stays applied from sample to sample."""

import json


def test_what_was_prepared_is_kept_and_its_time_recorded(lab):
    assert lab.run("+method=learned", "seed=0").code == 0
    assert lab.run("+method=learned", "seed=0", "task.samples=6").code == 0

    assert lab.logged("prepare") == ["prepare"]
    assert [row[-1] for row in lab.results() if row[0] == "learned"] == [0.0] * 6
    ((took, unit),) = lab.rows("SELECT value, unit FROM reading WHERE metric = 'prepare_s'")
    assert took > 0
    assert unit == "s"


def test_what_it_measured_itself_is_kept_too(lab):
    lab.run("+method=learned", "seed=0")

    assert lab.rows("SELECT value, unit FROM reading WHERE metric = 'lessons'") == [(1.0, "1")]


def test_another_setting_prepares_anew(lab):
    lab.run("+method=learned", "seed=0", "method.learned.by=2,0")

    assert len(lab.logged("prepare")) == 2
    scores = [row[-1] for row in lab.results() if row[0] == "learned"]
    assert sorted(scores) == [0.0] * 4 + [1.0] * 4


def test_settings_that_matter_afterwards_share_what_was_prepared(lab):
    ended = lab.run("+method=learned", "method.learned.twice=false,true", "method.learned.by=-2", "seed=0")

    assert ended.code == 0, ended.err
    assert lab.logged("prepare") == ["prepare"]
    values = lab.rows(
        "SELECT answer FROM sample JOIN run ON run.id = run_id WHERE spec LIKE '%learned%' ORDER BY run_id"
    )
    assert [int(value) for (value,) in values] == [-2, 0, 2, 4, -4, -2, 0, 2]


def test_a_held_method_is_applied_once_a_process_and_proves_itself_in_every_sample(lab):
    ended = lab.run("+method=shift,learned,slow", "seed=0")

    assert ended.code == 0
    assert len(lab.logged("hold")) == 2  # quality, and its process of the costs
    evidence = [json.loads(row[4]) for row in lab.results() if row[0] == "learned"]
    assert evidence == [{"added": 2.0}] * 4
    assert [row[-1] for row in lab.results() if row[0] == "shift"] == [1.0, 0.0, 1.0, 0.0]  # nobody else's habit


def test_a_stack_with_a_held_member_carries_the_evidence_of_all(lab):
    lab.run("+method=[learned,shift]", "seed=0")

    evidence = [json.loads(row[4]) for row in lab.results() if row[0] == "learned+shift"]
    assert evidence == [{"learned.added": 2.0, "shift.kept": 7.0}] * 4
    assert len(lab.logged("hold")) == 2


def test_one_that_can_not_prepare_fails_alone_with_its_reason(lab):
    ended = lab.run("+method=shift,learned", "seed=0", "method.learned.fails=true")

    assert ended.code == 1
    assert lab.runs()["shift"] == ("done", 4)
    assert lab.runs()["learned"] == ("failed", 0)
    assert "while learned prepared: ValueError: too hard" in ended.err
    assert "Traceback" not in ended.err


def test_one_that_trains_gets_the_task_s_data_and_is_compared_with_the_baseline_it_names(lab):
    ended = lab.run("+method=taught,shift", "method.taught.by=1", "seed=0")

    assert ended.code == 0
    evidence = {json.loads(row[4])["added"] for row in lab.results() if row[0] == "taught"}
    assert evidence == {5.0}
    query = """SELECT run.label, member.role, base.label FROM member JOIN run ON run.id = member.run_id
        LEFT JOIN run AS base ON base.id = member.baseline_id ORDER BY member.position"""
    assert lab.rows(query) == [
        ("learned", "baseline", None),
        ("identity", "baseline", None),
        ("taught", "method", "learned"),
        ("shift", "method", "identity"),
    ]


def test_a_baseline_that_is_typed_as_a_method_too_stays_one_run(lab):
    lab.run("+method=learned,taught,identity", "measure=none", "seed=0")

    roles = lab.rows("SELECT label, role FROM member JOIN run ON run.id = run_id ORDER BY position")
    assert roles == [("identity", "baseline"), ("learned", "baseline"), ("taught", "method")]


def test_what_trains_is_trained_on_three_seeds_where_none_is_given_and_nothing_else_is(lab):
    assert lab.run("+method=shift,learned", "measure=none").code == 0

    assert len(lab.logged("prepare")) == 3
    seeds = lab.rows("SELECT label, seed FROM run ORDER BY label, seed")
    assert seeds == [
        *(("identity", seed) for seed in range(3)),
        *(("learned", seed) for seed in range(3)),
        ("shift", 0),
    ]
