"""What a study came to: computed once, kept in the store, read from there as long as nothing has changed."""

from __future__ import annotations

import time
from collections.abc import Sequence

from harness.report.compare import compare_study
from harness.report.data import Data
from harness.report.gather import Defaults, gather_runs, gather_study
from harness.report.kept import Finished, plain, read, version
from harness.report.spread import spreads
from harness.store import queries
from harness.store.writer import Store


def finish(store: Store, study_id: int, defaults: Defaults) -> Finished:
    """Compares a study that has ended and keeps what it came to. `store` must be open for writing.

    Raises:
        UsageError: there is no such study.
    """
    made = time.time()
    found = computed(store, study_id, defaults)
    store.keep_comparison(study_id, version(), made, plain(found))
    return found


def kept(store: Store, study_id: int) -> Finished | None:
    """What was kept of a study, unless its runs have changed since, or another version kept it."""
    found = queries.kept_comparison(store, study_id, version())
    return None if found is None else read(found.content)


def computed(store: Store, study: int | Sequence[int], defaults: Defaults) -> Finished:
    """Of a study, or of runs with the first of them.

    Raises:
        UsageError: there is no such study or run.
    """
    view = gather_study(store, study, defaults) if isinstance(study, int) else gather_runs(store, study, defaults)
    data = Data(view)
    report = compare_study(view, data)
    return Finished(report, spreads(data, report))
