"""Recorded rows, looked up by run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from harness.report.model import StudyView
from harness.spec.identity import digest
from harness.spec.records import Metric
from harness.stats.together import together

if TYPE_CHECKING:
    from pandas import DataFrame

Array = NDArray[np.float64]
SCORED = ["number", "value", "reason", "stratum", "cluster", "prompt_hash"]


class Data:
    """A study's frames, split once."""

    def __init__(self, view: StudyView) -> None:
        known = view.samples[["run", "number", "stratum", "cluster", "prompt_hash"]]
        scores = view.scores[["run", "number", "metric", "value", "reason"]].merge(known, on=["run", "number"])
        self._scores = split(scores, ["run", "metric"])
        self._samples = split(view.samples, ["run"])
        self._readings = split(with_distributions(view.readings), ["run"])
        stops = view.readings[view.readings["metric"] == "stopped_after"]
        self._ended = {int(row["session"]): row["detail"]["sentence"] for row in stops.to_dict("records")}
        self._no_scores, self._no_readings = scores.iloc[:0], view.readings.iloc[:0]

    def scores(self, run: int, metric: Metric) -> DataFrame:
        """number, value, reason, stratum, cluster, prompt_hash, weight: one row a sample."""
        if metric.statistic is not None:
            return self._together(run, metric)
        rows = self._scores.get((run, metric.name), self._no_scores)
        if metric.weight is None:
            return rows.assign(weight=1.0)
        weights = self._scores.get((run, metric.weight), self._no_scores)[["number", "value"]]
        return rows.merge(weights.rename(columns={"value": "weight"}), on="number")

    def columns(self, run: int, metric: Metric) -> DataFrame:
        """number, stratum, cluster, prompt_hash, and a column for each score of a statistic: a row a sample."""
        columns = ["number", "stratum", "cluster", "prompt_hash"]
        found = self._scores.get((run, metric.of[0]), self._no_scores)[columns]
        for name in metric.of:
            told = self._scores.get((run, name), self._no_scores)[["number", "value"]]
            found = found.merge(told.rename(columns={"value": name}), on="number")
        return found.sort_values("number")

    def _together(self, run: int, metric: Metric) -> DataFrame:
        """As `scores`, one row a cluster: it pairs with another run's of exactly the same samples.

        Strata are kept apart where the metric is a mean over them.
        """
        import pandas as pd

        first, columns, rows = self.columns(run, metric), list(metric.of), []
        apart = ["cluster"] if metric.aggregation == "mean" else ["stratum", "cluster"]
        for _, part in first.groupby(apart, sort=False, dropna=False):
            found = together(str(metric.statistic), [part[one].to_numpy(np.float64) for one in columns])
            rows.append(
                {
                    "number": int(part["number"].iloc[0]),
                    "value": np.nan if found.value is None else found.value,
                    "reason": found.reason,
                    "stratum": part["stratum"].iloc[0],
                    "cluster": part["cluster"].iloc[0],
                    "prompt_hash": digest(part["prompt_hash"].tolist()),
                    "weight": 1.0,
                }
            )
        return pd.DataFrame(rows, columns=[*SCORED, "weight"]).astype({"value": float})

    def pairs(self, baseline: int, candidate: int, metric: Metric) -> DataFrame:
        """Samples both runs answered, asked alike: value_before, value_after, stratum, cluster, weight."""
        before, after = self.scores(baseline, metric), self.scores(candidate, metric)
        columns = ["number", "prompt_hash", "value"]
        shared = before[[*columns, "stratum", "cluster", "weight"]].merge(
            after[columns], on=["number", "prompt_hash"], suffixes=("_before", "_after")
        )
        return shared.sort_values("number")

    def alike(self, one: int, other: int) -> tuple[int, int]:
        """How many samples of two runs have the same answer, of how many that both answered, asked alike."""
        if not {(one,), (other,)} <= set(self._samples):
            return 0, 0
        columns = ["number", "prompt_hash", "answer"]
        both = self._samples[(one,)][columns].merge(self._samples[(other,)][columns], on=columns[:2])
        return int((both["answer_x"] == both["answer_y"]).sum()), len(both)

    def bytes(self, runs: Iterable[int], of: str = "") -> tuple[float, float] | None:
        """Resident and full bytes, summed over samples; None where a sample does not tell.

        Args:
            of: "": what is kept of contexts; "weight_": weights.
        """
        observed: list[Mapping[str, float]] = [
            one for run in runs if (run,) in self._samples for one in self._samples[(run,)]["observed"]
        ]
        resident, full = f"{of}resident_bytes", f"{of}full_bytes"
        if not observed or any(resident not in one or full not in one for one in observed):
            return None
        return sum(one[resident] for one in observed), sum(one[full] for one in observed)

    def ended(self, sessions: Collection[int]) -> tuple[str, ...]:
        """Why each session was stopped, in a sentence, where it says so."""
        return tuple(self._ended[session] for session in sorted(sessions) if session in self._ended)

    def readings(self, run: int, session: int | None) -> DataFrame:
        """Untimed ones, and those of its first arm in this session."""
        rows = self._readings.get((run,), self._no_readings)
        untimed = rows["session"].isna()
        if session is None:
            return rows[untimed]
        timed = (rows["session"] == session).fillna(False).astype(bool)
        if "position" in rows and timed.any():
            timed &= (rows["position"] == rows.loc[timed, "position"].min()).fillna(True).astype(bool)
        return rows[untimed | timed]


def split(frame: DataFrame, by: list[str]) -> dict[tuple[Any, ...], DataFrame]:
    return {key: rows for key, rows in frame.groupby(by, sort=False)}  # noqa: C416  (pandas' own iterator)


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
    ordered = rows.sort_values("sample", kind="stable", na_position="first")
    groups = ordered.groupby(["session", "process"])["value"]
    return {cast(tuple[int, int], key): values.to_numpy(np.float64) for key, values in groups}
