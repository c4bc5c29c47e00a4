"""The `safegen` command, as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_safegen.cli.main import main
from pytest_safegen.config.plugins import build_manager, detectors
from pytest_safegen.config.settings import Settings
from pytest_safegen.core.finding import Finding, Run, Verdict
from pytest_safegen.profiles.io import load_profiles
from pytest_safegen.results.files import ResultLog
from pytest_safegen.results.gate_json import save_run
from pytest_safegen.testing import phantom, write_cohort, write_scan

pytestmark = pytest.mark.slow


@pytest.fixture
def real(tmp_path: Path) -> Path:
    return write_cohort(tmp_path / "real", range(10))


def _report_of(data: Path, folder: Path) -> Path:
    finding = Finding("integrity", "sub-01/anat/sub-01_T1w.nii.gz", Verdict.PASS, "All is well.")
    log = ResultLog(folder)
    log.add(finding)
    log.close()
    counts = {"scans": 1, "series": 0, "discovered": 1, "collected": 1, "judged": 1, "reported": 1}
    run = Run("r", "now", Verdict.PASS, (), (str(data),), "enforce", (finding,), counts)
    save_run(run, folder)
    return folder


def test_list_names_every_scan_and_counts_them(real: Path, capsys) -> None:
    assert main(["list", str(real)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("sub-00/anat/sub-00_T1w.nii.gz\tsub-00")
    assert lines[-1] == "10 scans of 10 subjects"


def test_list_says_what_is_left_out_and_why(real: Path, capsys) -> None:
    (real / "notes.txt").write_text("hello")
    main(["list", str(real)])
    assert "left out: notes.txt: " in capsys.readouterr().out


def test_a_missing_folder_is_one_sentence_and_exit_code_4(tmp_path: Path, capsys) -> None:
    assert main(["list", str(tmp_path / "nowhere")]) == 4
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_fit_writes_a_profile_that_the_gate_can_load(real: Path, tmp_path: Path, capsys) -> None:
    profile = tmp_path / "heads.safegen"
    assert main(["fit", str(real), "-o", str(profile), "--checks", "integrity,metadata"]) == 0
    settings = Settings(root=tmp_path, checks=("integrity", "metadata"))
    known = load_profiles(profile, detectors(build_manager(settings), settings))
    assert (sorted(known.bundle("T1w").profiles), sorted(known.release)) == (
        ["integrity"],
        ["metadata"],
    )
    assert "confidential" in capsys.readouterr().out


def test_fit_refuses_too_few_patients_and_writes_nothing(tmp_path: Path, capsys) -> None:
    few = write_cohort(tmp_path / "few", range(3))
    assert main(["fit", str(few), "-o", str(tmp_path / "few.safegen")]) == 4
    assert "3 patients" in capsys.readouterr().err
    assert not (tmp_path / "few.safegen").exists()


def test_report_is_written_again_from_its_results(tmp_path: Path) -> None:
    write_scan(phantom(1), tmp_path / "data")
    folder = _report_of(tmp_path / "data", tmp_path / "report")
    assert main(["report", str(folder)]) == 0
    assert (folder / "index.html").is_file()


def test_report_finds_data_that_has_moved(tmp_path: Path) -> None:
    write_scan(phantom(1), tmp_path / "new")
    folder = _report_of(tmp_path / "old", tmp_path / "report")
    assert main(["report", str(folder), "--data", str(tmp_path / "new")]) == 0
    assert list((folder / "images").glob("*.png"))


def test_report_of_a_folder_without_results_is_refused(tmp_path: Path, capsys) -> None:
    assert main(["report", str(tmp_path)]) == 4
    assert "holds no finished run" in capsys.readouterr().err


def test_schema_prints_json(capsys) -> None:
    main(["schema"])
    assert json.loads(capsys.readouterr().out)["properties"]["schema"] == {"enum": [1]}


def test_a_wrong_command_is_refused(capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["destroy"])
    assert stop.value.code == 2
