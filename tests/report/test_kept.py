"""A comparison that was kept is the comparison that was made."""

import json
from dataclasses import replace

from harness.report.compare import compare_study
from harness.report.data import Data
from harness.report.finish import kept
from harness.report.kept import Finished, plain, read
from harness.report.spread import SHARES, spreads
from harness.stats.intervals import Interval
from harness.store.writer import open_store


def test_what_is_kept_is_read_again_as_it_was(make):
    view = make.usual()
    report = compare_study(view)
    found = Finished(report, spreads(Data(view), report))

    again = read(json.loads(json.dumps(plain(found), allow_nan=False)))

    assert again == found
    assert found.spreads
    assert all(len(one.quantiles) == len(SHARES) for one in found.spreads)


def test_infinite_ends_of_an_interval_are_kept(make):
    report = compare_study(make.usual())
    row = report.tables[0].rows[1]
    cell = replace(row.quality[0], estimate=row.quality[0].estimate._replace(interval=Interval(0.0, float("inf"))))
    table = replace(report.tables[0], rows=(replace(row, quality=(cell,)),))
    found = Finished(replace(report, tables=(table,)), ())

    assert read(json.loads(json.dumps(plain(found), allow_nan=False))) == found


def test_runs_share_what_they_have_in_common(make):
    view = make.usual()
    once, twice = (
        len(json.dumps(plain(Finished(compare_study(one), ())))) for one in (view, replace(view, runs=view.runs * 2))
    )

    assert twice < 1.5 * once


def test_a_study_is_kept_when_it_ends_until_a_run_of_it_changes(lab):
    assert lab.run("+method=shift", "method.shift.by=0,1").code == 0
    url = f"sqlite:///{lab.store}"
    with open_store(url) as store:
        found = kept(store, 1)
    with open_store(url, create=True) as store:
        store.release(1, "failed", "by hand")

        assert found is not None
        assert [row.label for row in found.report.tables[0].rows] == ["identity", "shift", "shift"]
        assert kept(store, 1) is None
