"""Results on disk are complete or not there, and what is no result is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_safegen.core.atomic_io import write_json
from pytest_safegen.core.codec import (
    finding_to_builtins,
)
from pytest_safegen.core.errors import SafegenError
from pytest_safegen.core.finding import Finding, Run, Verdict
from pytest_safegen.results.files import (
    GATE_FILE,
    RESULTS_FILE,
    ROWS_FILE,
    RUN_FILE,
    ResultLog,
    load_run,
    read_findings,
)
from pytest_safegen.results.gate_json import save_run

PLAIN = Finding("anomaly", "sub-01/a.nii.gz", Verdict.FAIL, "Too bright.", 3.0, 2.0, 0.1)


def run_of(*found: Finding, **known: Any) -> Run:
    plain: dict[str, Any] = {
        "id": "r1",
        "created": "2026-01-01",
        "verdict": Verdict.FAIL,
        "reasons": ("1 FAIL",),
        "roots": ("synthetic",),
        "mode": "enforce",
        "counts": {"discovered": 1},
    }
    return Run(findings=found, **(plain | known))


def finished(folder: Path, *found: Finding) -> Run:
    log = ResultLog(folder)
    for finding in found:
        log.add(finding)
    log.close()
    run = run_of(*found)
    save_run(run, folder)
    return run


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_none_is_not_written(tmp_path: Path, value: float) -> None:
    log = ResultLog(tmp_path)
    with pytest.raises(ValueError, match="JSON compliant"):
        log.add(replace(PLAIN, score=value))
    log.close()
    assert (tmp_path / RESULTS_FILE).read_text(encoding="utf-8") == ""


def test_a_finding_is_on_disk_before_the_next_comes(tmp_path: Path) -> None:
    log = ResultLog(tmp_path)
    log.add(PLAIN)
    before = list(read_findings(tmp_path))
    log.close()
    assert before == [PLAIN]


def test_a_row_is_on_disk_before_the_next_comes(tmp_path: Path) -> None:
    log = ResultLog(tmp_path)
    log.add_row({"target": "a"})
    before = (tmp_path / ROWS_FILE).read_text(encoding="utf-8")
    log.close()
    assert json.loads(before) == {"target": "a"}


def test_findings_come_back_in_order(tmp_path: Path) -> None:
    some = [replace(PLAIN, target=name) for name in "cab"]
    finished(tmp_path, *some)
    assert [finding.target for finding in read_findings(tmp_path)] == ["c", "a", "b"]


@pytest.mark.parametrize("text", ["a\nb", "a\u2028b", 'a"b', "a\udcffb", "<script>", "é"])
def test_any_text_stays_on_its_line(tmp_path: Path, text: str) -> None:
    finished(tmp_path, replace(PLAIN, target=text), PLAIN)
    assert [finding.target for finding in read_findings(tmp_path)] == [text, PLAIN.target]


@pytest.mark.parametrize("line", [b"{", b"", b"\xff", b'{"score": NaN}', b"nonsense"])
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    good = json.dumps(finding_to_builtins(PLAIN)).encode()
    (tmp_path / RESULTS_FILE).write_bytes(good + b"\n" + line + b"\n")
    with pytest.raises(SafegenError, match="Line 2 of"):
        list(read_findings(tmp_path))


@pytest.mark.parametrize("line", ["3", "[]", "null", '"PASS"', "{}"])
def test_a_line_that_is_no_finding_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / RESULTS_FILE).write_text(line)
    with pytest.raises(SafegenError):
        list(read_findings(tmp_path))


def test_a_number_in_a_line_that_is_none_is_refused(tmp_path: Path) -> None:
    text = json.dumps(finding_to_builtins(PLAIN)).replace("3.0", "Infinity")
    (tmp_path / RESULTS_FILE).write_text(text)
    with pytest.raises(SafegenError, match="Line 1"):
        list(read_findings(tmp_path))


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    run = finished(tmp_path, PLAIN)
    assert load_run(tmp_path) == run


@pytest.mark.parametrize("name", [RUN_FILE, RESULTS_FILE])
def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path, name: str) -> None:
    finished(tmp_path, PLAIN)
    (tmp_path / name).unlink()
    with pytest.raises(SafegenError, match="holds no finished run"):
        load_run(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"schema": 2}', "\xff"])
def test_a_damaged_run_is_refused(tmp_path: Path, text: str) -> None:
    finished(tmp_path, PLAIN)
    (tmp_path / RUN_FILE).write_text(text, encoding="latin-1")
    with pytest.raises(SafegenError):
        load_run(tmp_path)


@pytest.mark.parametrize("change", [{"schema": 2}, {"more": 1}, {"verdict": "GREEN"}])
def test_a_run_of_another_kind_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    finished(tmp_path, PLAIN)
    plain = json.loads((tmp_path / RUN_FILE).read_text(encoding="utf-8"))
    (tmp_path / RUN_FILE).write_text(json.dumps(plain | change))
    with pytest.raises(SafegenError):
        load_run(tmp_path)


def test_the_gate_file_counts_every_verdict(tmp_path: Path) -> None:
    finished(tmp_path, PLAIN, PLAIN, replace(PLAIN, verdict=Verdict.PASS))
    verdicts = json.loads((tmp_path / GATE_FILE).read_text(encoding="utf-8"))["verdicts"]
    assert verdicts == {**dict.fromkeys(map(str, Verdict), 0), "PASS": 1, "FAIL": 2}


def test_the_gate_file_holds_the_verdict(tmp_path: Path) -> None:
    finished(tmp_path, PLAIN)
    assert json.loads((tmp_path / GATE_FILE).read_text(encoding="utf-8"))["verdict"] == "FAIL"


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"n": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"n": math.nan})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"n": 1}


def test_a_file_is_never_seen_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    rename = Path.replace

    def spy(self: Path, target: Path) -> Path:
        seen.append([path.name for path in tmp_path.iterdir() if path.name == "a.json"])
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", spy)
    write_json(tmp_path / "a.json", {"n": 1})
    assert seen == [[]]


def test_results_json_does_not_repeat_the_findings(tmp_path: Path) -> None:
    finished(tmp_path, PLAIN)
    assert "findings" not in json.loads((tmp_path / RUN_FILE).read_text(encoding="utf-8"))
