"""`safegen history` and `safegen compare` as a person uses them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from runs import BASIS, run_of

from pytest_safegen.cli.main import main
from pytest_safegen.results.history import open_history

SPREAD = [0.4 + n / 100 for n in range(20)]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store with three versions; the last is worse."""
    store = f"sqlite:///{tmp_path / 'history.db'}"
    history = open_history(store)
    history.add(run_of(SPREAD, version="1.0", created="2026-01-01T00:00:00+00:00"))
    history.add(run_of(SPREAD, version="1.1", created="2026-02-01T00:00:00+00:00"))
    worse = [*SPREAD[:-2], 40.0, 50.0]
    history.add(run_of(worse, version="2.0", created="2026-03-01T00:00:00+00:00"))
    return store


def history(url: str, *arguments: str) -> int:
    return main(["history", f"--history={url}", *arguments])


def versions(url: str) -> list[str | None]:
    return [entry.run.version for entry in open_history(url).entries()]


def test_list_prints_a_line_a_run(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert history(url, "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[2] for line in lines] == ["gan@1.0", "gan@1.1", "gan@2.0"]


def test_show_says_what_the_run_was_judged_by(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert history(url, "show", "2.0") == 0
    out = capsys.readouterr().out
    assert {"verdict\tFAIL", "profile\tp1", "anomaly\t2 FAIL, 18 PASS"} <= set(out.splitlines())


def test_a_tagged_run_is_not_pruned(url: str) -> None:
    assert history(url, "tag", "1.0", "stable") == 0
    assert history(url, "prune", "--before=2026-02-15") == 0
    assert versions(url) == ["1.0", "2.0"]


def test_a_dry_run_removes_nothing(url: str) -> None:
    assert history(url, "prune", "--keep=0", "--dry-run") == 0
    assert len(versions(url)) == 3


def test_an_export_can_be_imported(url: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert history(url, "export", str(tmp_path / "runs.jsonl")) == 0
    assert history(other, "import", str(tmp_path / "runs.jsonl")) == 0
    assert versions(other) == versions(url)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "needs a step"),
        (["show", "9.9"], "no run called '9.9'"),
        (["prune"], "needs --keep N"),
        (["prune", "--before=soon"], "expected YYYY-MM-DD"),
        (["import", "nothing.jsonl"], "cannot be read"),
        (["import", "."], "holds no finished run"),
    ],
)
def test_wrong_use_is_one_sentence(
    url: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert history(url, *arguments) == 4
    assert message in capsys.readouterr().err


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert history(f"sqlite:///{tmp_path / 'no.db'}", "list") == 4
    assert not (tmp_path / "no.db").exists()


def compare(url: str, *arguments: str) -> int:
    return main(["compare", f"--history={url}", *arguments])


def test_the_same_scores_are_no_regression(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(url, "1.0", "1.1") == 0
    assert "Detectable (n=20): a " in capsys.readouterr().out


def test_a_worse_version_names_the_scans(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(url, "1.0", "2.0") == 1
    out = capsys.readouterr().out
    assert "new failure: anomaly s019.nii.gz: PASS -> FAIL, beyond" in out


def test_the_outcome_can_be_had_as_json(url: str, tmp_path: Path) -> None:
    compare(url, "1.0", "2.0", f"--json={tmp_path / 'out.json'}")
    assert json.loads((tmp_path / "out.json").read_text())["outcome"] == "regressed"


@pytest.mark.parametrize("key", BASIS)
def test_another_basis_is_incomparable(
    url: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = replace(run_of(SPREAD, version="3.0"), comparability=BASIS | {key: "other"})
    open_history(url).add(other)
    assert compare(url, "1.0", "3.0") == 3
    assert f"The {key} was {BASIS[key]} and is other." in capsys.readouterr().out


def test_other_checks_are_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    open_history(url).add(run_of(SPREAD, version="3.0", check="noise"))
    assert compare(url, "1.0", "3.0") == 4
    assert "it lacks noise; it also has anomaly" in capsys.readouterr().err


def test_the_page_of_trends_shows_every_run_and_loads_nothing(url: str, tmp_path: Path) -> None:
    file = tmp_path / "trends.html"
    open_history(url).add(replace(run_of(SPREAD, version="<script>alert(1)</script>")))
    assert history(url, f"--html={file}") == 0
    page = file.read_text("utf-8")
    assert "<script" not in page
    assert re.findall(r"(?:src|href|url)\s*[=(]", page) == []
    svgs = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(svgs) == 3  # failed share, score, share
    for svg in svgs:
        drawn = ElementTree.fromstring(svg)  # noqa: S314  our own page
        assert len(drawn.findall(".//g")) == 4
        assert [len(drawn.findall(f".//{shape}")) for shape in ("circle", "rect")] == [3, 1]
