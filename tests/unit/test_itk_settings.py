"""Reading and preparing scans leaves SimpleITK's process-wide settings as they were."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from pytest_safegen.core.scan import ScanRef
from pytest_safegen.prepare.canonical import canonical
from pytest_safegen.prepare.guess import guess_options
from pytest_safegen.prepare.registration import register
from pytest_safegen.readers import read_scan
from pytest_safegen.testing import phantom

SETTINGS = (
    "sitk.ProcessObject.GetGlobalDefaultNumberOfThreads(),"
    "sitk.ProcessObject.GetGlobalWarningDisplay(),"
    "sitk.ProcessObject.GetGlobalDefaultThreader()"
)
ROOMS = ("prepare", "readers")
MODULES = sorted(
    f"pytest_safegen.{room}.{path.stem}"
    for room in ROOMS
    for path in (Path(read_scan.__code__.co_filename).parents[1] / room).glob("[!_]*.py")
)


@pytest.fixture(params=[1, 4])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """A number of threads that somebody else wants for the whole process."""
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(request.param)
    yield request.param
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def test_importing_the_rooms_changes_no_setting() -> None:
    code = "\n".join(
        [
            "import SimpleITK as sitk",
            f"before = {SETTINGS}",
            *(f"import {module}" for module in MODULES),
            f"assert before == ({SETTINGS})",
        ]
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("shown", [True, False])
def test_reading_puts_the_display_of_warnings_back(tmp_path: Path, shown: bool) -> None:
    path = tmp_path / "a.mha"
    sitk.WriteImage(sitk.Image(4, 5, 6, sitk.sitkUInt8), str(path))
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(shown)
    try:
        read_scan(ScanRef("a.mha", "a", None, None, path))
        assert sitk.ProcessObject.GetGlobalWarningDisplay() is shown
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)


def test_registration_does_not_depend_on_the_threads_of_the_process(threads: int) -> None:
    options = guess_options(phantom(1))
    fixed, moving = (canonical(phantom(n), options) for n in (1, 2))
    found = register(fixed, moving, kind="affine")
    assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == threads
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    assert np.array_equal(found, register(fixed, moving, kind="affine"))
