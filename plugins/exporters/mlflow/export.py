"""One study in MLflow: a run for the study, and below it a run for each of its runs."""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

import harness
from harness.api import RunEvent, SampleEvent, StudyEvent

EXPERIMENT = "harness"
STATUS = {"done": "FINISHED", "failed": "FAILED", "invalid": "FAILED"}  # else KILLED
MOST = 1000  # metrics that MLflow takes at once


class Export:
    def __init__(self, uri: str, study: StudyEvent) -> None:
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of every table it makes
        self.client = MlflowClient(tracking_uri=uri)
        self.experiment = self._experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT))
        told = {"harness.study": study.id, "harness.command": study.command, "harness.measure": study.measure}
        self.study = self._run(f"study {study.id}", told)
        self.runs = {run.id: self._child(run) for run in study.runs}
        self._earlier(study)

    def sample(self, sample: SampleEvent) -> None:
        scores = {score.metric: score.value for score in sample.scores}
        self._log(self.runs[sample.run.id], sampled({**scores, **sample.evidence}), step=sample.number)

    def status(self, run: RunEvent) -> None:
        told = {"harness.status": run.status, "harness.reason": run.reason}
        self._log(self.runs[run.id], tags=told)

    def close(self, study: StudyEvent) -> None:
        """What the study comes to, as `harness export --format csv` has it, and the end of its runs."""
        for row in harness.load_comparison(study.store, study=study.id).to_dict("records"):
            ids = [int(one) for one in str(row["runs"]).split()]
            self._summary(row, ids)
        for run in study.runs:
            self.status(run)
            self.client.set_terminated(self.runs[run.id], STATUS.get(run.status, "KILLED"))
        self.client.set_terminated(self.study, STATUS.get(study.status, "KILLED"))

    def _summary(self, row: Mapping[Any, Any], ids: list[int]) -> None:
        """A row of several seeds says something of all of them and nothing of one: it gets a run of its own."""
        numbers = {name: value for name, value in row.items() if isinstance(value, int | float)}
        words = {f"harness.{name}": value for name, value in row.items() if isinstance(value, str)}
        if len(ids) == 1:
            self._log(self.runs[ids[0]], numbers, tags=words)
            return
        together = self._run(f"{row['method']}, seeds {row['seeds']}", words, parent=self.study)
        self._log(together, numbers)
        self.client.set_terminated(together, STATUS.get(str(row["status"]), "KILLED"))

    def _earlier(self, study: StudyEvent) -> None:
        """Samples that an earlier command has done, which nobody is told again."""
        ids = [run.id for run in study.runs if run.done]
        if not ids:
            return
        for row in harness.load_samples(study.store, runs=ids).to_dict("records"):
            known = {
                str(name).partition(".")[2]: value
                for name, value in row.items()
                if str(name).startswith(("score.", "evidence."))
            }
            self._log(self.runs[row["run"]], sampled(known), step=row["number"])

    def _experiment(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self.client.create_experiment(name))

    def _child(self, run: RunEvent) -> str:
        about = {"harness.run": run.id, "harness.role": run.role, "harness.status": run.status}
        made = self._run(run.label, about, parent=self.study)
        params = [Param(name, str(value)[:6000]) for name, value in settings(run).items()]
        self.client.log_batch(made, params=params)
        return made

    def _run(self, name: str, about: Mapping[str, Any], parent: str | None = None) -> str:
        tags = {key: str(value) for key, value in about.items()}
        if parent:
            tags["mlflow.parentRunId"] = parent
        return str(self.client.create_run(self.experiment, run_name=name, tags=tags).info.run_id)

    def _log(
        self, run: str, numbers: Mapping[str, Any] | None = None, step: int = 0, tags: Mapping[str, Any] | None = None
    ) -> None:
        """Unknown is left out: MLflow has no word for it."""
        now = int(time.time() * 1000)
        known = {name: float(value) for name, value in (numbers or {}).items() if value is not None}
        metrics = [Metric(name, value, now, step) for name, value in known.items() if math.isfinite(value)]
        words = [RunTag(name, str(value)) for name, value in (tags or {}).items() if value is not None]
        for batch in batches(metrics):
            self.client.log_batch(run, metrics=batch)
        self.client.log_batch(run, tags=words)


def sampled(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Names of their own: MLflow shows the last step of a metric as the run's value."""
    return {f"sample/{name}": value for name, value in numbers.items()}


def batches(metrics: list[Metric]) -> Iterable[list[Metric]]:
    return (metrics[start : start + MOST] for start in range(0, len(metrics), MOST))


def settings(run: RunEvent) -> dict[str, Any]:
    """By the names that the command line has for them."""
    found = {"task": run.task, "model": run.model, "device": run.device, "seed": run.seed}
    for method in run.spec["stack"]:
        found |= {f"method.{method['name']}.{knob}": value for knob, value in method["knobs"].items()}
    for kind in ("task", "model"):
        found |= {f"{kind}.{knob}": value for knob, value in run.spec[kind]["knobs"].items()}
    found["device.threads"] = run.spec["device"]["threads"]
    return {name: json.dumps(value) if isinstance(value, list | dict) else value for name, value in found.items()}
