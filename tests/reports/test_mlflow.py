"""A run in a real MLflow store on this disk."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from report_site import Site

from pytest_safegen import Measure, SafegenError
from safegen_reports.mlflow import log_run, run_metrics, without_credentials

tracking = pytest.importorskip(
    "mlflow.tracking", reason="`pip install 'pytest-safegen[mlflow]'` runs these tests"
)

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty SQLite store; artifacts go below the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def runs(uri: str, experiment: str) -> list[Any]:
    """The runs of an experiment."""
    client = tracking.MlflowClient(tracking_uri=uri)
    return list(client.search_runs([client.get_experiment_by_name(experiment).experiment_id]))


def test_a_run_is_logged_under_its_generator_with_its_verdict(site: Site, uri: str) -> None:
    key = log_run(site.run, site.folder, uri)
    (logged,) = runs(uri, "gen <1>")
    assert (logged.info.run_id, logged.info.run_name) == (key, "gen <1>@2.0")
    assert logged.info.status == "FINISHED"
    tags = logged.data.tags
    assert (tags["safegen.run"], tags["safegen.verdict"]) == ("run-1", "FAIL")
    assert tags["safegen.regression"] == "regressed"
    assert logged.data.params == {"python": "3.11"}


def test_the_metrics_are_failed_shares_with_their_intervals(site: Site, uri: str) -> None:
    log_run(site.run, site.folder, uri)
    (logged,) = runs(uri, "gen <1>")
    metrics = logged.data.metrics
    assert metrics["anomaly/failed_share"] == pytest.approx(1 / 3)
    assert metrics["anomaly/failed_share/low"] < 1 / 3 < metrics["anomaly/failed_share/high"]
    assert metrics["anomaly/score"] == 0.5
    assert (metrics["count/FAIL"], metrics["count/judged"]) == (2, 4)


def test_the_description_has_the_headlines(site: Site, uri: str) -> None:
    log_run(site.run, site.folder, uri)
    (logged,) = runs(uri, "gen <1>")
    note = logged.data.tags["mlflow.note.content"]
    assert note.startswith("1 scan failed anomaly.; The <table> failed.\n\n")
    assert "- FAIL anomaly: Strange \\<b\\>place\\</b\\>, 9 ml" in note


def test_the_whole_report_is_an_artifact(site: Site, uri: str, tmp_path: Path) -> None:
    key = log_run(site.run, site.folder, uri)
    client = tracking.MlflowClient(tracking_uri=uri)
    there = Path(client.download_artifacts(key, "safegen-report", str(tmp_path)))
    names = {path.relative_to(there) for path in there.rglob("*")}
    assert names == {path.relative_to(site.folder) for path in site.folder.rglob("*")}


def test_a_report_that_is_written_again_is_no_second_run(site: Site, uri: str) -> None:
    assert log_run(site.run, site.folder, uri) == log_run(site.run, site.folder, uri)
    assert len(runs(uri, "gen <1>")) == 1


def test_the_experiment_is_that_of_mlflow_s_own_setting(
    site: Site, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "releases")
    log_run(site.run, site.folder, uri)
    assert len(runs(uri, "releases")) == 1


def test_a_name_that_mlflow_refuses_is_changed(site: Site, uri: str) -> None:
    finding = dataclasses.replace(
        site.run.findings[0], measures=(Measure("volume@6 (ml)", 2.0, "ml"),)
    )
    run = dataclasses.replace(site.run, findings=(finding,))
    assert run_metrics(run)["anomaly/volume_6__ml_"] == 2.0
    log_run(run, site.folder, uri)


def test_a_store_that_cannot_be_used_is_a_sentence_without_the_password(site: Site) -> None:
    with pytest.raises(SafegenError, match=r"MLflow at nonsense://host refused the run: "):
        log_run(site.run, site.folder, "nonsense://me:secret@host")
    assert without_credentials("https://me:secret@host/x") == "https://host/x"


def test_mlflow_s_own_telemetry_is_off(site: Site, uri: str) -> None:
    log_run(site.run, site.folder, uri)
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
