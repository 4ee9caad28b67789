from __future__ import annotations

import pytest

from harness.spec.records import Score
from harness.store import queries
from harness.store.owners import owner


@pytest.fixture
def three(store, new_run, sample):
    knorm = new_run("1", label="knorm", tags=("paper",), seed=1)
    stack = new_run("2", label="streaming_llm+knorm", model="hf")
    other = new_run("3", label="knorm_fast", task="generation")
    store.add_sample(stack, sample(0), [])
    store.claim(stack, owner())
    return knorm, stack, other


def ids(reader, **wanted):
    return queries.runs(reader, **wanted)["id"].tolist()


def test_runs_are_listed_newest_first_with_their_progress(reader, three):
    knorm, stack, other = three

    frame = queries.runs(reader)

    assert frame["id"].tolist() == [other, stack, knorm]
    assert frame["done"].tolist() == [0, 1, 0]
    assert frame["planned"].tolist() == [2, 2, 2]
    assert frame["live"].tolist() == [False, True, False]
    assert frame["tags"].tolist() == [(), (), ("paper",)]


def test_a_method_is_found_alone_and_in_stacks_by_its_whole_name(reader, three):
    knorm, stack, _other = three

    assert ids(reader, method="knorm") == [stack, knorm]
    assert ids(reader, method="streaming_llm+knorm") == [stack]
    assert ids(reader, method="kn_rm") == []


def test_runs_are_narrowed_by_what_they_are(reader, three):
    knorm, stack, other = three

    assert ids(reader, task="generation") == [other]
    assert ids(reader, model="hf") == [stack]
    assert ids(reader, status="running") == [stack]
    assert ids(reader, tag="paper") == [knorm]
    assert ids(reader, limit=1) == [other]
    assert ids(reader, tag="paper", model="hf") == []


def test_details_of_many_runs_come_by_id(reader, three):
    found = queries.details(reader, [*three, 99])

    assert list(found) == list(three)
    assert found[three[0]].tags == ("paper",)
    assert found[three[1]].done == 1


def test_frames_without_rows_keep_their_columns(reader, new_run):
    run_id = new_run()

    assert list(queries.runs(reader, task="nonesuch")) == [*queries.RUN_COLUMNS, "live", "done", "tags"]
    assert list(queries.scores(reader, [run_id]))[:3] == ["run", "number", "stratum"]
    assert queries.scores(reader, [])["value"].dtype == "float64"
    assert queries.readings(reader, [])["session"].dtype == "Int64"


def test_scores_of_more_runs_than_one_statement_takes(store, reader, record, sample):
    run_ids = store.ensure_runs([record(str(number)) for number in range(2000)])
    store.add_sample(run_ids[0], sample(), [Score("match", 1.0)])
    store.add_sample(run_ids[-1], sample(), [Score("match", 0.0)])

    frame = queries.scores(reader, reversed(run_ids))

    assert frame["run"].tolist() == [run_ids[0], run_ids[-1]]
