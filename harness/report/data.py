"""Recorded rows, looked up by run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.report.model import StudyView
from harness.spec.identity import digest
from harness.spec.records import Metric
from harness.stats.together import together

if TYPE_CHECKING:
    from pandas import DataFrame

Array = NDArray[np.float64]
Arm = tuple[int, int | None]  # a run, and the session whose timings of it are meant
NO_SESSION = -1  # of what was read once


class ByRun:
    """A frame from which the rows of runs are taken."""

    def __init__(self, frame: DataFrame) -> None:
        self.frame = frame.sort_values("run", kind="stable", ignore_index=True)
        runs, starts = np.unique(self.frame["run"].to_numpy(np.int64), return_index=True)
        stops = np.append(starts[1:], len(frame))[: len(starts)]
        self.spans = dict(zip(runs.tolist(), np.column_stack([starts, stops]).tolist(), strict=True))

    def take(self, runs: Sequence[int]) -> DataFrame:
        """Run after run; `of` is the place of a row's run among `runs`."""
        spans = [self.spans.get(run, (0, 0)) for run in runs]
        places = np.concatenate([np.arange(start, stop) for start, stop in spans] or [np.empty(0, np.intp)])
        of = np.repeat(np.arange(len(spans)), [stop - start for start, stop in spans])
        return self.frame.take(places).assign(of=of)


class Data:
    """A study's frames, sorted once. Subtasks, contexts and prompts are numbers; no context is -1."""

    def __init__(self, view: StudyView) -> None:
        import pandas as pd

        stratum, names = pd.factorize(view.samples["stratum"], sort=True)
        self.strata = [str(name) for name in names]
        known = view.samples[["run", "number"]].assign(
            stratum=stratum,
            context=pd.factorize(view.samples["cluster"])[0],
            prompt=pd.factorize(view.samples["prompt_hash"])[0],
        )
        scores = view.scores[["run", "number", "metric", "value", "reason"]].astype({"reason": object})
        scores = scores.merge(known, on=["run", "number"])
        self._scores = {str(name): ByRun(rows.drop(columns="metric")) for name, rows in scores.groupby("metric")}
        self._no_scores = ByRun(scores.iloc[:0].drop(columns="metric"))
        self._samples = ByRun(view.samples)
        self._readings = ByRun(lean(first_arms(with_distributions(view.readings))))
        self._sessions = self._readings.frame["session"].to_numpy(np.int64)
        stops = view.readings[view.readings["metric"] == "stopped_after"]
        self._ended = {int(row["session"]): row["detail"]["sentence"] for row in stops.to_dict("records")}

    def scores(self, runs: Sequence[int], metric: Metric) -> DataFrame:
        """of, number, value, reason, stratum, context, prompt, weight: a row a sample."""
        if metric.statistic is not None:
            return self._together(runs, metric)
        rows = self._of(metric.name).take(runs)
        if metric.weight is None:
            return rows.assign(weight=1.0)
        weights = self._of(metric.weight).take(runs)[["of", "number", "value"]]
        return rows.merge(weights.rename(columns={"value": "weight"}), on=["of", "number"])

    def _of(self, metric: str) -> ByRun:
        return self._scores.get(metric, self._no_scores)

    def columns(self, runs: Sequence[int], metric: Metric) -> DataFrame:
        """of, number, stratum, context, prompt, and a column for each score of a statistic: a row a sample."""
        found = self._of(metric.of[0]).take(runs)[["of", "number", "stratum", "context", "prompt"]]
        for name in metric.of:
            told = self._of(name).take(runs)[["of", "number", "value"]]
            found = found.merge(told.rename(columns={"value": name}), on=["of", "number"])
        return found.sort_values(["of", "number"])

    def _together(self, runs: Sequence[int], metric: Metric) -> DataFrame:
        """As `scores`, one row a cluster: it pairs with another run's of exactly the same samples.

        Strata are kept apart where the metric is a mean over them.
        """
        import pandas as pd

        first, columns, rows = self.columns(runs, metric), list(metric.of), []
        apart = ["of", "context"] if metric.aggregation == "mean" else ["of", "stratum", "context"]
        for _, part in first.groupby(apart, sort=False):
            found = together(str(metric.statistic), [part[one].to_numpy(np.float64) for one in columns])
            rows.append(
                {
                    **{name: part[name].iloc[0] for name in ("of", "number", "stratum", "context")},
                    "value": np.nan if found.value is None else found.value,
                    "reason": found.reason,
                    "prompt": digest(part["prompt"].tolist()),
                    "weight": 1.0,
                }
            )
        names = ["of", "number", "value", "reason", "stratum", "context", "prompt", "weight"]
        whole = dict.fromkeys(["of", "number", "stratum", "context"], "int64")
        return pd.DataFrame(rows, columns=names).astype({**whole, "value": float, "weight": float})

    def pairs(self, baselines: Sequence[int], candidates: Sequence[int], metric: Metric) -> DataFrame:
        """Samples that a run and its baseline answered, asked alike, pair after pair.

        Columns: of, value_before, value_after, stratum, context, weight.
        """
        before, after = self.scores(baselines, metric), self.scores(candidates, metric)
        keys = ["of", "number", "prompt"]
        shared = before[[*keys, "value", "stratum", "context", "weight"]].merge(
            after[[*keys, "value"]], on=keys, suffixes=("_before", "_after")
        )
        return shared.sort_values(["of", "number"])

    def alike(self, one: int, other: int) -> tuple[int, int]:
        """How many samples of two runs have the same answer, of how many that both answered, asked alike."""
        columns = ["number", "prompt_hash", "answer"]
        mine, theirs = (self._samples.take([run]) for run in (one, other))
        if mine.empty or theirs.empty:
            return 0, 0
        both = mine[columns].merge(theirs[columns], on=columns[:2])
        return int((both["answer_x"] == both["answer_y"]).sum()), len(both)

    def bytes(self, runs: Sequence[int], of: str = "") -> tuple[float, float] | None:
        """Resident and full bytes, summed over samples; None where a sample does not tell.

        Args:
            of: "": what is kept of contexts; "weight_": weights.
        """
        rows = self._samples.take(runs)[[f"{of}resident_bytes", f"{of}full_bytes"]].to_numpy(np.float64)
        if not len(rows) or np.isnan(rows).any():
            return None
        resident, full = rows.sum(axis=0).tolist()
        return resident, full

    def ended(self, sessions: Collection[int]) -> tuple[str, ...]:
        """Why each session was stopped, in a sentence, where it says so."""
        return tuple(dict.fromkeys(self._ended[one] for one in sorted(sessions) if one in self._ended))

    def readings(self, arms: Iterable[Arm]) -> DataFrame:
        """Untimed ones of each run, and those of its first arm in the session beside it."""
        asked = list(arms)
        rows = self._readings.take([run for run, _ in asked])
        wanted = np.array([NO_SESSION if one is None else one for _, one in asked], np.int64)[rows["of"].to_numpy()]
        session = self._sessions[rows.index.to_numpy()]
        return rows.take(np.flatnonzero((session == NO_SESSION) | (session == wanted)))


def lean(readings: DataFrame) -> DataFrame:
    """What costs are made from, in types that are quick to take from; no session, process or sample is -1."""
    whole, words = ["session", "process", "sample"], ["metric", "unit", "source", "reason"]
    kept = readings[["run", *whole, *words, "value"]].astype(dict.fromkeys(words, object))
    return kept.assign(**{name: kept[name].fillna(-1).astype("int64") for name in whole})


def first_arms(readings: DataFrame) -> DataFrame:
    """An A/A session holds a run more than once: of each session, the readings of its first place there."""
    if "position" not in readings:
        return readings
    first = readings.groupby(["run", "session"])["position"].transform("min")
    return readings[(readings["position"] == first).fillna(True).astype(bool) | readings["position"].isna()]


def with_distributions(readings: DataFrame) -> DataFrame:
    """A reading may hold a distribution in its detail, such as the gaps between tokens: a reading each."""
    import pandas as pd

    if "detail" not in readings:
        return readings
    more = [
        {**row, "metric": name, "value": value, "detail": None}
        for row in readings[readings["detail"].notna()].to_dict("records")
        for name, values in row["detail"].items()
        if isinstance(values, list) and all(isinstance(value, int | float) for value in values)
        for value in values
    ]
    if not more:
        return readings
    return pd.concat([readings, pd.DataFrame(more).astype(readings.dtypes.to_dict())], ignore_index=True)


def by_process(rows: DataFrame) -> dict[tuple[int, int], Array]:
    """Timed values of one metric: an array in order of its samples for each (session, process)."""
    known = rows["process"].to_numpy(np.int64) >= 0
    keys = [rows[name].to_numpy(np.int64)[known] for name in ("session", "process", "sample")]
    order = np.lexsort(keys[::-1])
    session, process = keys[0][order], keys[1][order]
    cuts = np.flatnonzero((np.diff(session) != 0) | (np.diff(process) != 0)) + 1
    starts = [0, *cuts.tolist()] if len(order) else []
    values = np.split(rows["value"].to_numpy(np.float64)[known][order], cuts)
    return {(int(session[at]), int(process[at])): part for at, part in zip(starts, values, strict=False)}
