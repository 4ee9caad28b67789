"""A small sweep of the toy laboratory, and everything of it that no fault may change."""

from __future__ import annotations

import pytest

WORK = ("+method=shift", "method.shift.by=1,2", "seed=0,1", "task.samples=4")
SWEEP = (*WORK, "model.pause=0.01", "measure.processes=2")
ARMS = 2 * 3  # two seeds, each with its baseline and two settings

RESULTS = """
SELECT run.key, run.status, sample.number, stratum, target, output, answer, evidence, observed, text, metric, value
FROM run JOIN sample ON run.id = sample.run_id JOIN prompt ON hash = prompt_hash
JOIN score ON score.run_id = run.id AND score.number = sample.number
ORDER BY 1, 3
"""
TIMINGS = """
SELECT run.key, process, meter, metric, count(value), count(reading.reason)
FROM member JOIN reading ON reading.session_id = member.session_id AND reading.run_id = member.run_id
JOIN run ON run.id = member.run_id
WHERE study_id = (SELECT max(id) FROM study)
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""


def results(lab):
    return lab.rows(RESULTS)


def timings(lab):
    """Which values there are of each run, whatever they are."""
    return lab.rows(TIMINGS)


@pytest.fixture(scope="module")
def undisturbed(shared_lab):
    """What the sweep gives when nothing happens."""
    ended = shared_lab.run(*SWEEP)
    assert ended.code == 0, ended.err
    return results(shared_lab), timings(shared_lab)


@pytest.fixture
def goes_on(lab, undisturbed):
    """Holds that the same command, given once more, ends with what an undisturbed one has."""

    def check():
        ended = lab.run(*SWEEP)
        assert ended.code == 0, ended.err
        assert results(lab) == undisturbed[0]
        assert timings(lab) == undisturbed[1]
        assert lab.is_sound()
        assert lab.rows("SELECT status, count(*) FROM run GROUP BY 1") == [("done", ARMS)]

    return check


@pytest.fixture
def sweep():
    return SWEEP
