from __future__ import annotations

import math

from harness.spec.records import Score
from harness.store import queries


def test_a_sample_is_kept_with_its_scores(store, reader, new_run, sample):
    run_id = new_run()
    one = sample(3, cluster="essay", target=["7"], evidence={"kept": 0.5}, observed={"cache_bytes": 1024.0})
    store.add_sample(run_id, one, [Score("match", 1.0), Score("length", None, "nothing was answered")])

    samples, scores = queries.samples(reader, [run_id]), queries.scores(reader, [run_id])

    assert samples.to_dict("records") == [
        {
            "run": run_id,
            "number": 3,
            "stratum": "niah_single_1",
            "cluster": "essay",
            "prompt_hash": "hash-3",
            "answer": "seven",
            "target": ["7"],
            "output": {"ids": [1, 2]},
            "evidence": {"kept": 0.5},
            "observed": {"cache_bytes": 1024.0},
        }
    ]
    assert scores["metric"].tolist() == ["length", "match"]
    assert math.isnan(scores["value"][0])
    assert scores["value"][1] == 1.0
    assert scores["reason"][0] == "nothing was answered"
    assert scores["stratum"].tolist() == ["niah_single_1"] * 2


def test_a_sample_that_is_there_stays_with_its_scores(store, reader, new_run, sample):
    run_id = new_run()
    store.add_sample(run_id, sample(answer="first"), [Score("match", 1.0)])
    store.add_sample(run_id, sample(answer="second"), [Score("match", 0.0), Score("late", 1.0)])

    assert queries.samples(reader, [run_id])["answer"].tolist() == ["first"]
    assert queries.scores(reader, [run_id])["value"].tolist() == [1.0]


def test_a_prompt_is_kept_once_for_all_runs(store, reader, new_run, sample):
    for key in ("a", "b"):
        store.add_sample(new_run(key), sample(prompt_hash="same", prompt="What is it?"), [])

    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT hash, text FROM prompt").all() == [("same", "What is it?")]
    assert queries.prompt(reader, "same") == "What is it?"
    assert queries.prompt(reader, "other") is None


def test_text_that_no_database_takes_is_escaped(store, reader, new_run, sample):
    run_id = new_run()
    store.add_sample(run_id, sample(answer="seven \ud800 \0", prompt="\ud800"), [])

    assert queries.samples(reader, [run_id])["answer"].tolist() == ["seven \\ud800 \\0"]
    assert queries.prompt(reader, "hash-0") == "\\ud800"


def test_a_score_that_is_not_a_number_is_unknown(store, reader, new_run, sample):
    run_id = new_run()
    store.add_sample(run_id, sample(), [Score("perplexity", math.nan), Score("worst", math.inf)])

    scores = queries.scores(reader, [run_id])

    assert scores["reason"].tolist()[0] == "not a number"
    assert scores["value"][1] == math.inf


def test_done_samples_are_known_by_number_and_counted(store, new_run, sample):
    first, second = new_run("a"), new_run("b")
    for number in (0, 1, 4):
        store.add_sample(first, sample(number), [])

    assert store.done_samples(first) == {0, 1, 4}
    assert store.progress([first, second]) == {first: 3, second: 0}


def test_what_is_done_of_many_runs_is_what_is_done_of_each(store, new_run, sample):
    whole, gaps, invalid, empty = (new_run(key) for key in "abcd")
    for run_id, numbers in ((whole, (1, 0, 2)), (gaps, (0, 1, 4)), (invalid, (0,))):
        for number in numbers:
            store.add_sample(run_id, sample(number), [])
    store.release(invalid, "invalid")

    found = store.done_by_run([whole, gaps, invalid, empty])

    assert found == {whole: {0, 1, 2}, gaps: {0, 1, 4}, invalid: set(), empty: set()}
    assert found == {run_id: store.done_samples(run_id) for run_id in found}
