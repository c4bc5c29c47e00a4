"""`safegen calibrate-longitudinal` on folders of real patients."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_safegen.cli.main import main
from pytest_safegen.testing import phantom, write_scan
from safegen_detectors.longitudinal.calibrate import (
    read_calibration,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules that adding the command to `safegen` loads."""
    code = (
        "import argparse, sys\n"
        "from safegen_detectors.longitudinal.command import add_calibrate_longitudinal\n"
        "add_calibrate_longitudinal(argparse.ArgumentParser().add_subparsers())\n"
        "print(*sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_shuffled_pairs_of_the_folder_are_two_patients(tmp_path, capsys):
    for subject, session in [(3, 1), (3, 2), (4, 1), (4, 2)]:
        write_scan(phantom(subject, session=session), tmp_path / "real")

    main(["calibrate-longitudinal", str(tmp_path / "real"), "-o", str(tmp_path / "l.json")])
    calibration = read_calibration(tmp_path / "l.json")

    assert "T1w: local_match of 2 pairs of one patient and 2 of two" in capsys.readouterr().out
    same, different = calibration.same["T1w"], calibration.different["T1w"]
    assert min(same["local_match"]) > max(different["local_match"])


def test_the_command_measures_real_pairs(tmp_path, capsys):
    for session in (1, 2):
        write_scan(phantom(3, session=session), tmp_path / "real")

    code = main(["calibrate-longitudinal", str(tmp_path / "real"), "-o", str(tmp_path / "l.json")])

    assert code == 0
    assert "local_match: 1 pairs" in capsys.readouterr().out
    assert len(read_calibration(tmp_path / "l.json").values["local_match"]) == 1


def test_the_command_refuses_patients_who_were_seen_once(tmp_path, capsys):
    write_scan(phantom(3), tmp_path / "real")

    code = main(["calibrate-longitudinal", str(tmp_path / "real"), "-o", str(tmp_path / "l.json")])

    assert code == 4
    assert "no patient with two comparable scans" in capsys.readouterr().err
    assert not Path(tmp_path / "l.json").exists()


@pytest.mark.parametrize("library", ["numpy", "scipy", "SimpleITK", "nibabel"])
def test_adding_the_command_loads_no_heavy_library(loaded, library):
    assert library not in loaded
