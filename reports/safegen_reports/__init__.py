"""The reports that come with the gate: HTML, text, GitHub, SARIF, trends, MLflow, reader study.

They are registered by hooks, as other people's plug-ins are, and import only the public modules
of `pytest_safegen`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_safegen.api import hookimpl

if TYPE_CHECKING:
    import argparse

    from pytest_safegen.api import Release, Run, Settings

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


@hookimpl
def safegen_add_commands(commands: Commands) -> None:
    """Add `safegen reader-study` and `safegen github`."""
    from safegen_reports.github import add_github_command
    from safegen_reports.reader_study.command import add_reader_study_command

    add_github_command(commands)
    add_reader_study_command(commands)


@hookimpl
def safegen_write_report(
    run: Run, releases: Sequence[Release], folder: Path, settings: Settings
) -> None:
    """Write the HTML report, `summary.md` and `findings.csv`; log all to MLflow if asked to."""
    from safegen_reports.html.report import write_report
    from safegen_reports.text import write_text_files

    write_text_files(run, folder)
    write_report(run, releases, folder, settings)
    if settings.mlflow:
        from safegen_reports.mlflow import log_run

        log_run(run, folder, settings.mlflow)


@hookimpl
def safegen_write_trends(runs: Sequence[Run], file: Path) -> None:
    """Write the page of trends, one file that works offline."""
    from safegen_reports.trends.page import write_trends

    write_trends(runs, file)
