from __future__ import annotations

import math

from harness.spec.records import Reading
from harness.store import queries
from harness.store.owners import owner
from harness.store.records import PassRecord

MEASURE = {"name": "quick", "processes": 1}
PEAK = Reading("peak_bytes", 1e9, "B", "torch.cuda")


def seconds(value: float, sample: int | None = None) -> Reading:
    return Reading("latency_s", value, "s", "perf_counter_ns", sample=sample)


def test_an_untimed_meter_is_read_once(store, reader, new_run):
    run_id = new_run()
    assert not store.has_readings(run_id, "memory", 1)

    store.add_readings(run_id, "memory", 1, [PEAK])
    store.add_readings(run_id, "memory", 1, [Reading("peak_bytes", 2e9, "B", "torch.cuda")])

    assert store.has_readings(run_id, "memory", 1)
    assert queries.readings(reader, [run_id])["value"].tolist() == [1e9]


def test_a_new_revision_of_a_meter_reads_again_and_is_what_is_shown(store, reader, new_run):
    run_id = new_run()
    store.add_readings(run_id, "memory", 1, [PEAK])
    assert not store.has_readings(run_id, "memory", 2)
    store.add_readings(run_id, "memory", 2, [Reading("peak_bytes", 2e9, "B", "torch.cuda")])

    assert store.meters_read([run_id]) == {run_id: {("memory", 1), ("memory", 2)}}
    assert queries.readings(reader, [run_id])["value"].tolist() == [2e9]


def test_unknown_has_a_reason_and_zero_is_a_measurement(store, reader, new_run):
    run_id = new_run()
    readings = [
        Reading("energy_j", None, "J", "rapl", reason="not readable"),
        Reading("energy_j", 0.0, "J", "rapl", detail={"domain": "dram"}),
        Reading("energy_j", None, "J", "rapl"),
    ]
    store.add_readings(run_id, "energy", 1, readings)

    frame = queries.readings(reader, [run_id])

    assert [math.isnan(value) for value in frame["value"]] == [True, False, True]
    assert frame["reason"].tolist()[::2] == ["not readable", "no reason given"]
    assert frame["detail"][1] == {"domain": "dram"}


def test_a_process_is_stored_whole_and_once(store, reader, new_run):
    runs = [new_run("identity"), new_run("knorm")]
    session_id = store.open_session(MEASURE, 1, runs, owner())
    first = [PassRecord("latency", 1, [seconds(0.5, sample=0)]), PassRecord("energy", 1, [seconds(9.0)])]
    store.add_process(session_id, 1, 0, first)
    store.add_process(session_id, 1, 0, [PassRecord("latency", 1, [seconds(0.7, sample=0)])])

    frame = queries.readings(reader, runs, settled=False)

    assert frame["run"].tolist() == [runs[1]] * 2
    assert frame[["session", "position", "process"]].to_numpy().tolist() == [[session_id, 1, 0]] * 2
    assert frame["value"].tolist() == [0.5, 9.0]
    assert store.processes_done(session_id) == {1: {0}}


def test_timings_do_not_count_as_untimed_readings(store, new_run):
    run_id = new_run()
    session_id = store.open_session(MEASURE, 1, [run_id], owner())
    store.add_readings(run_id, "latency", 1, [seconds(0.5)], session_id, 0, 0)

    assert not store.has_readings(run_id, "latency", 1)
    assert store.processes_done(session_id) == {0: {0}}


def test_timings_are_shown_when_their_session_is_done(store, reader, new_run):
    run_id = new_run()
    store.add_readings(run_id, "memory", 1, [PEAK])
    ids = {}
    for status in ("open", "done", "abandoned"):
        ids[status] = store.open_session(MEASURE, 1, [run_id], owner())
        store.add_process(ids[status], 0, 0, [PassRecord("latency", 1, [seconds(0.5)])])
        store.close_session(ids[status], status)

    def shown(**options):
        frame = queries.readings(reader, [run_id], **options)
        return {None if value != value else int(value) for value in frame["session"].astype("float64")}

    assert shown() == {None, ids["done"]}
    assert shown(settled=False) == {None, ids["done"], ids["open"]}
    assert shown(session_ids=[ids["done"]]) == {None, ids["done"]}
    assert shown(session_ids=[]) == {None}
    assert shown(session_ids=[ids["abandoned"]], settled=False) == {None}
