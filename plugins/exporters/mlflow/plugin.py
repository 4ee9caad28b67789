"""MLflow: studies, runs, scores and costs as MLflow runs, where HARNESS_MLFLOW names a tracking store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from harness.api import PluginError, RunEvent, SampleEvent, StudyEvent, hookimpl

if TYPE_CHECKING:
    from .export import Export

SETTING = "HARNESS_MLFLOW"
export: Export | None = None  # of the study this command works on


@hookimpl
def harness_study_started(study: StudyEvent) -> None:
    global export
    uri = os.environ.get(SETTING)
    if not uri:
        return
    try:
        from .export import Export
    except ModuleNotFoundError as error:
        raise PluginError(f"{SETTING} is set and {error.name} is missing: pip install 'harness-ml[mlflow]'") from error
    export = Export(uri, study)


@hookimpl
def harness_sample_finished(sample: SampleEvent) -> None:
    if export is not None:
        export.sample(sample)


@hookimpl
def harness_run_finished(run: RunEvent) -> None:
    if export is not None:
        export.status(run)


@hookimpl
def harness_study_finished(study: StudyEvent) -> None:
    global export
    if export is not None:
        finished, export = export, None
        finished.close(study)
