"""Pages of runs, samples and studies, on every database."""

from __future__ import annotations

import pytest

from harness.spec.records import Reading, Score
from harness.store import browse
from harness.store.browse import Filter
from harness.store.owners import owner
from harness.store.records import MemberRecord


@pytest.fixture
def three(store, new_run, sample):
    """A baseline and two methods in a study: of four samples the first gets all but one, the others half and none."""
    ids = [
        new_run("identity"),
        new_run("knorm", spec={"window": 64}, tags=("mine",)),
        new_run("xkv+knorm"),
    ]
    hits = ([1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, None])
    for run, mine in zip(ids, hits, strict=True):
        for number, hit in enumerate(mine):
            record = sample(number, stratum="ab"[number % 2], target=["x"], answer=f"it is {hit}", prompt="p" * 900)
            store.add_sample(run, record, [Score("right", hit, None if hit is not None else "no answer")])
    members = [MemberRecord(ids[0], "baseline"), *(MemberRecord(one, "method", ids[0]) for one in ids[1:])]
    return store.open_study("harness run", "quick", members), ids


def found(reader, **words):
    return [row["label"] for row in browse.runs(reader, Filter(**words)).rows]


def test_runs_are_filtered_and_the_newest_come_first(reader, three):
    assert found(reader) == ["xkv+knorm", "knorm", "identity"]
    assert found(reader, method="knorm") == ["xkv+knorm", "knorm"]
    assert found(reader, tag="mine") == ["knorm"]
    assert found(reader, text="window 64") == ["knorm"]
    assert found(reader, text="MINE") == ["knorm"]
    assert found(reader, text="100%") == []
    assert found(reader, status="planned", task="ruler", study=three[0]) == found(reader)
    assert found(reader, since=4e9) == []
    assert found(reader, until=4e9) == found(reader)


def test_pages_hold_their_share_and_know_how_many_there_are(reader, three):
    page = browse.runs(reader, Filter(), "method", page=2, size=2)

    assert page.total == 3
    assert [row["label"] for row in page.rows] == ["xkv+knorm"]
    assert page.rows[0]["done"] == 4


def test_there_is_something_to_choose_from(reader, three):
    assert browse.choices(reader)["method"] == ["identity", "knorm", "xkv"]
    assert browse.choices(reader)["tag"] == ["mine"]
    assert browse.runs_by_method(reader) == {"identity": 1, "knorm": 2, "xkv": 1}


def test_means_are_of_subtasks_and_of_samples_and_leave_out_what_is_unknown(reader, three):
    _, (first, second, third) = three
    means = browse.means(reader, [first, second, third])

    assert means[first, "right"] == (pytest.approx((1 + 0.5) / 2), pytest.approx(3 / 4), 4)
    assert means[second, "right"] == (pytest.approx((0.5 + 0.5) / 2), pytest.approx(2 / 4), 4)
    assert means[third, "right"] == (0.0, 0.0, 3)


def test_samples_come_with_the_end_of_their_prompt_the_worst_first(reader, three):
    page = browse.samples(reader, three[1][0], worst="-right", size=2)

    assert page.total == 4
    assert [row["number"] for row in page.rows] == [3, 0]
    assert page.rows[0]["prompt"] == "p" * 240
    assert page.rows[0]["scores"]["right"].value == 0
    assert browse.samples(reader, three[1][0], text="IT IS 0").total == 1
    assert browse.samples(reader, three[1][0], stratum="b").total == 2


def test_two_runs_differ_first_where_their_scores_do(reader, three):
    page, tally = browse.against(reader, three[1][0], three[1][1], "right")

    assert [(row["number"], row["change"]) for row in page.rows] == [(2, -1), (0, 0), (1, 0), (3, 0)]
    assert tally == {"rose": 0, "fell": 1, "alike": 3}


def test_a_sample_is_as_hard_as_few_runs_get_it(reader, three):
    study, ids = three
    hard = browse.hardness(reader, study, "right", 0.5, True)

    assert [(one.number, one.right, one.asked, one.only) for one in hard] == [
        (0, 2, 3, None), (1, 2, 3, None), (2, 1, 3, ids[0]), (3, 0, 2, None),
    ]  # fmt: skip
    assert {one.run_id for one in hard} == {ids[0]}
    assert hard[0].target == ["x"]


def test_answers_of_a_study_to_one_sample_stand_in_its_order(reader, three):
    page = browse.answers(reader, three[1][1], 2, three[0], shown=4)

    assert [(row["run_id"], row["answer"], row["length"]) for row in page.rows] == [
        (run, "it i", 7) for run in three[1]
    ]  # fmt: skip


def test_a_study_tells_its_runs_by_status_and_how_long_it_takes(store, reader, three, sample):
    study, (first, *_) = three
    store.claim(first, owner())
    (row,) = browse.studies(reader).rows

    assert row["runs"] == {"running": 1, "planned": 2}
    assert row["live"]
    progress = browse.progress(reader, study)
    assert (progress.done, progress.planned) == (12, 6)
    assert browse.studies(reader, method="xkv").total == browse.studies(reader, run_id=first).total == 1
    assert browse.studies(reader, method="snapkv").total == 0
    assert [browse.baseline(reader, one) for one in three[1]] == [None, first, first]


def test_failures_come_with_reasons(store, reader, three):
    store.release(three[1][1], "failed", "out of memory")

    assert [(one.label, one.reason) for one in browse.failures(reader)] == [("knorm", "out of memory")]


def test_readings_are_paged_those_made_once_first(store, reader, three, here):
    run = three[1][0]
    session = store.open_session({}, here, [run], "me:1:0")
    store.add_readings(run, "clock", 1, [Reading("latency_s", 0.5, "s", "clock", sample=0)], session, 0, 0)
    store.add_readings(run, "memory", 1, [Reading("peak_rss_bytes", None, "B", "none", "hidden")])
    page = browse.readings(reader, run)

    assert page.total == 2
    assert [(row["metric"], row["value"], row["reason"]) for row in page.rows] == [
        ("peak_rss_bytes", None, "hidden"), ("latency_s", 0.5, None),
    ]  # fmt: skip
