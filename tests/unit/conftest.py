"""What the unit tests share: hypothesis without a time limit, and a runner on made-up scans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from real_scans import OTHERS, SUBJECTS, cohort
from stand_in import StubReader

from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.config.settings import Settings
from pytest_safegen.judging.runner import Runner
from pytest_safegen.profiles.model import ProfileSet

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> StubReader:
    """A reader in place of that of files."""
    stub = StubReader()
    monkeypatch.setattr("pytest_safegen.judging.loader.read_scan", stub)
    return stub


@pytest.fixture
def made(tmp_path: Path, reader: StubReader) -> Iterator[Callable[..., Runner]]:
    """Makes runners of detectors and closes them; further arguments are settings."""
    del reader
    runners: list[Runner] = []

    def make(*detectors: Detector, profiles: ProfileSet | None = None, **asked: Any) -> Runner:
        chosen = {"device": "cpu", "report": tmp_path / "report", **asked}
        known = {detector.name: detector for detector in detectors}
        runners.append(Runner(Settings(tmp_path, **chosen), known, profiles))
        return runners[-1]

    yield make
    for runner in runners:
        runner.close()


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cohort(tmp_path_factory.mktemp("real"), SUBJECTS)


@pytest.fixture(scope="session")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cohort(tmp_path_factory.mktemp("unseen"), OTHERS)
