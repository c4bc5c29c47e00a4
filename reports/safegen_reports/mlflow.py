"""Log a run to the MLflow server or store that `--safegen-mlflow` names.

MLflow's own environment variables apply: `MLFLOW_EXPERIMENT_NAME`, and
`MLFLOW_TRACKING_USERNAME` and the like.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_safegen.api import Run, SafegenError, Verdict
from safegen_reports.findings import headline_groups
from safegen_reports.text import escape_markdown
from safegen_reports.trends.statistics import run_trends

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

EXPERIMENT_VARIABLE = "MLFLOW_EXPERIMENT_NAME"
NO_TELEMETRY = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
MAX_RETRIES = ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
RUN_TAG = "safegen.run"
ARTIFACT_PATH = "safegen-report"
MAX_CHARS = {"metric": 250, "param": 6000, "tag": 5000}
METRIC_BATCH_SIZE = 1000
"""The most metrics that a server takes in one request."""

MAX_HEADLINES = 20
INVALID_NAME_CHARS = re.compile(r"[^\w\-. /:]")


def log_run(run: Run, folder: Path, uri: str) -> str:
    """Log metrics, tags and the report folder, and return MLflow's id of the run.

    A run that was logged before is updated.

    Raises:
        SafegenError: MLflow is not installed, or refused the run; the text says why.
    """
    os.environ.update(NO_TELEMETRY)  # nothing but this run is sent
    os.environ.setdefault(*MAX_RETRIES)
    try:
        from mlflow.tracking import MlflowClient
    except ImportError as problem:
        raise SafegenError(
            f"--safegen-mlflow needs MLflow ({problem}): pip install 'pytest-safegen[mlflow]'."
        ) from problem
    try:
        return _upload_run(MlflowClient(tracking_uri=uri), run, folder)
    except Exception as problem:  # a server, or a store, may fail in any way
        detail = without_credentials(" ".join(str(problem).split()))[:300].rstrip(".")
        raise SafegenError(
            f"MLflow at {without_credentials(uri)} refused the run: {detail}."
        ) from problem


def run_metrics(run: Run) -> dict[str, float]:
    """Per check its failed share, and the medians of its score and measures, by MLflow's names."""
    found = {f"count/{name}": float(count) for name, count in run.counts.items()}
    for verdict in Verdict:
        found[f"count/{verdict}"] = float(sum(f.verdict is verdict for f in run.findings))
    for trend in run_trends([run]):
        name = f"{trend.check}/{trend.name.replace(' ', '_')}"
        for point in filter(None, trend.points):
            found |= {name: point.value, f"{name}/low": point.low, f"{name}/high": point.high}
    return {
        INVALID_NAME_CHARS.sub("_", name)[: MAX_CHARS["metric"]]: value
        for name, value in found.items()
        if math.isfinite(value)
    }


def run_tags(run: Run) -> dict[str, str]:
    """The tags by which a run is found: verdict, version, digests, outcome of the comparison."""
    found: dict[str, object] = {
        RUN_TAG: run.id,
        "safegen.verdict": run.verdict,
        "safegen.mode": run.mode,
        "safegen.generator": run.generator,
        "safegen.version": run.version,
        "safegen.dirty": run.dirty,
        "safegen.digest.data": run.data_digest,
        "safegen.digest.config": run.config_digest,
        "safegen.regression": run.regression.get("outcome"),
        "mlflow.source.git.commit": run.commit,
        "mlflow.note.content": run_note(run),
    }
    found |= {f"safegen.digest.{name}": digest for name, digest in run.profile_digests.items()}
    known = {name: str(value) for name, value in found.items() if value is not None}
    return {name: text[: MAX_CHARS["tag"]] for name, text in known.items()}


def run_note(run: Run) -> str:
    """MLflow's description of the run in Markdown: the reasons, then the worst headlines."""
    groups = headline_groups(run.findings)[:MAX_HEADLINES]
    headlines = [
        f"- {group.verdict} {', '.join(group.counts)}: {escape_markdown(group.title)}"
        for group in groups
    ]
    return "\n".join(["; ".join(run.reasons), *([""] if headlines else []), *headlines])


def without_credentials(uri: str) -> str:
    """A text without the names and passwords of its URIs."""
    return re.sub(r"//\S*@", "//", uri)


def _upload_run(client: MlflowClient, run: Run, folder: Path) -> str:
    experiment = _experiment_id(
        client, os.environ.get(EXPERIMENT_VARIABLE) or run.generator or "safegen"
    )
    known = client.search_runs(
        [experiment], f"tags.`{RUN_TAG}` = '{_escape_filter_value(run.id)}'", max_results=1
    )
    key = known[0].info.run_id if known else _create_run(client, experiment, run)
    _log_batches(client, key, run)
    client.log_artifacts(key, str(folder), ARTIFACT_PATH)
    client.set_terminated(key)
    return str(key)


def _escape_filter_value(text: str) -> str:
    return re.sub(r"[^\w.:-]", "_", text)


def _create_run(client: MlflowClient, experiment: str, run: Run) -> str:
    name = "@".join(part for part in (run.generator, run.version) if part) or run.id[:8]
    made = client.create_run(experiment, run_name=name, tags={RUN_TAG: run.id})
    return str(made.info.run_id)


def _experiment_id(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))


def _run_parameters(run: Run) -> dict[str, str]:
    return {
        INVALID_NAME_CHARS.sub("_", name)[: MAX_CHARS["metric"]]: value[: MAX_CHARS["param"]]
        for name, value in run.environment.items()
    }


def _log_batches(client: MlflowClient, key: str, run: Run) -> None:
    from mlflow.entities import Metric, Param, RunTag

    for part in _batches(list(run_metrics(run).items()), METRIC_BATCH_SIZE):
        client.log_batch(key, metrics=[Metric(name, value, 0, 0) for name, value in part])
    params = [Param(name, value) for name, value in _run_parameters(run).items()]
    tags = [RunTag(name, text) for name, text in run_tags(run).items()]
    client.log_batch(key, params=params, tags=tags)


def _batches(items: Sequence[tuple[str, float]], size: int) -> Iterator[list[tuple[str, float]]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
