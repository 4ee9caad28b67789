"""The MLflow exporter, read back through MLflow's own client."""

import builtins
import sys

import pytest

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own, while it is imported


@pytest.fixture
def exporting(lab, monkeypatch):
    """Has commands export; returns what MLflow then knows, by the names of its runs."""
    uri = f"sqlite:///{lab.root / 'mlflow.sqlite'}"
    monkeypatch.setenv("HARNESS_PLUGINS", "toy_lab,identity,mlflow")
    monkeypatch.setenv("HARNESS_MLFLOW", uri)

    def read(experiment="harness"):
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=uri)
        found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id], order_by=["start_time"])
        read.client = client
        return {run.info.run_name: run for run in found}

    return read


def test_a_study_its_runs_samples_and_results_are_in_mlflow(lab, exporting):
    ended = lab.run("+method=shift", "method.shift.by=3")

    assert ended.code == 0, ended.err
    assert "mlflow" not in ended.err
    runs = exporting()
    study, shift = runs["study 1"], runs["shift"]
    assert {name: run.info.status for name, run in runs.items()} == dict.fromkeys(
        ("study 1", "identity", "shift"), "FINISHED"
    )
    assert study.data.tags["harness.command"].startswith("harness run +method=shift method.shift.by=3")
    assert shift.data.tags["mlflow.parentRunId"] == study.info.run_id
    assert (shift.data.params["method.shift.by"], shift.data.params["task.samples"]) == ("3", "4")
    series = exporting.client.get_metric_history(shift.info.run_id, "sample/right")
    assert [(one.step, one.value) for one in series] == [(0, 1.0), (1, 0.0), (2, 1.0), (3, 0.0)]
    assert shift.data.metrics["right_percent"] == 50.0
    assert shift.data.metrics["right_percent_delta"] == -50.0
    assert shift.data.metrics["latency_s"] > 0
    assert shift.data.tags["harness.right_percent_outcome"] == "undecided"
    assert "flops" not in shift.data.metrics  # unknown, and never 0
    assert shift.data.tags["harness.flops_reason"] == "the subject does not compute with torch"


def test_samples_that_an_earlier_command_has_done_are_there_too(lab, exporting, monkeypatch):
    monkeypatch.delenv("HARNESS_MLFLOW")
    lab.run("+method=shift")
    assert not (lab.root / "mlflow.sqlite").exists()
    monkeypatch.setenv("HARNESS_MLFLOW", f"sqlite:///{lab.root / 'mlflow.sqlite'}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")

    lab.run("+method=shift")

    shift = exporting("mine")["shift"]
    series = exporting.client.get_metric_history(shift.info.run_id, "sample/right")
    assert sorted(one.step for one in series) == [0, 1, 2, 3]


def test_several_seeds_come_to_a_run_of_their_own(lab, exporting):
    lab.run("+method=shift", "seed=0,1", "task.samples=2")

    together = exporting()["shift, seeds 0 1"]
    assert together.data.metrics["right_percent"] == 50.0


def test_without_mlflow_the_study_runs_and_the_user_is_told_what_to_install(lab, exporting, monkeypatch):
    imported = builtins.__import__

    def lacking(name, *rest, **more):
        if name.split(".")[0] == "mlflow":
            raise ModuleNotFoundError("No module named 'mlflow'", name="mlflow")
        return imported(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "harness_plugins.exporters.mlflow.export", raising=False)
    monkeypatch.setattr(builtins, "__import__", lacking)

    ended = lab.run("+method=shift", "task.samples=1")

    message = "plugin mlflow failed at study_started, and is told nothing more: "
    message += "HARNESS_MLFLOW is set and mlflow is missing: pip install 'harness-ml[mlflow]'"
    assert ended.code == 0
    assert ended.err.count(message) == 1
