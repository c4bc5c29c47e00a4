"""Broken and hostile files: each a sentence that names the file, and the others are judged."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from gate_project import Project

pytestmark = pytest.mark.slow

GOOD = "data/good.nii.gz"
CHECKS = "integrity"


def truncated_gzip(folder: Path) -> Path:
    file = healthy(folder / "bad.nii.gz")
    file.write_bytes(file.read_bytes()[:2000])
    return file


def text_file(folder: Path) -> Path:
    file = folder / "bad.nii.gz"
    file.write_text("this is no scan\n")
    return file


def empty_file(folder: Path) -> Path:
    file = folder / "bad.nii.gz"
    file.touch()
    return file


def not_a_number(folder: Path) -> Path:
    return healthy(folder / "bad.nii.gz", fill=np.nan)


def four_dimensions(folder: Path) -> Path:
    file = folder / "bad.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4, 3), np.float32), np.eye(4)), file)
    return file


def zero_spacing(folder: Path) -> Path:
    file = folder / "bad.nii"
    healthy(file)
    content = bytearray(file.read_bytes())
    content[80:92] = np.zeros(3, np.float32).tobytes()  # pixdim of i, j, k
    content[280:328] = np.zeros(12, np.float32).tobytes()  # sform
    file.write_bytes(bytes(content))
    return file


def dicom_with_a_gap(folder: Path) -> Path:
    series = folder / "bad"
    series.mkdir()
    for number in range(8):
        if number != 4:
            write_slice(series / f"{number}.dcm", number)
    return series


BROKEN = (
    truncated_gzip,
    text_file,
    empty_file,
    not_a_number,
    four_dimensions,
    zero_spacing,
    dicom_with_a_gap,
)


def healthy(file: Path, *, fill: float | None = None) -> Path:
    """Write a small head; with `fill`, a corner of it has that value."""
    file.parent.mkdir(parents=True, exist_ok=True)
    grid = np.indices((24, 24, 24)) - 11.5
    head = (grid**2).sum(0) < 90
    noise = np.random.default_rng(0).normal(0, 3, head.shape)
    voxels = np.where(head, 100 + noise, 0).astype(np.float32)
    if fill is not None:
        voxels[:3, :3, :3] = fill
    nib.save(nib.Nifti1Image(voxels, np.diag([4.0, 4, 4, 1])), file)
    return file


def write_slice(file: Path, number: int) -> None:
    """Write one slice of a DICOM series, 2 mm above the one before."""
    image = sitk.GetImageFromArray(np.full((1, 16, 16), number, np.int16))
    tags = {
        "0008|0060": "CT",
        "0020|000e": "1.2.3.4",
        "0020|000d": "1.2.3",
        "0008|0018": f"1.2.3.4.{number + 1}",
        "0020|0013": str(number + 1),
        "0020|0032": f"0\\0\\{2 * number}",
        "0020|0037": "1\\0\\0\\0\\1\\0",
        "0010|0020": "bad",
    }
    for tag, value in tags.items():
        image.SetMetaData(tag, value)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    writer.SetFileName(str(file))
    writer.Execute(image)


@pytest.fixture
def data(project: Project) -> Path:
    """A data folder with one good scan."""
    return healthy(project.root / GOOD).parent


def bad_one(project: Project) -> dict[str, str]:
    """The finding that is not of the good scan."""
    (found,) = (f for f in project.findings() if f["target"].startswith("bad"))
    return found


@pytest.mark.parametrize("spoil", BROKEN)
def test_a_broken_scan_turns_the_run_red(
    project: Project, data: Path, spoil: Callable[[Path], Path]
) -> None:
    spoil(data)
    assert project.gate(checks=CHECKS).ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("spoil", BROKEN)
def test_a_broken_scan_blocks_with_one_finding(
    project: Project, data: Path, spoil: Callable[[Path], Path]
) -> None:
    spoil(data)
    project.gate(checks=CHECKS)
    assert bad_one(project)["verdict"] in ("FAIL", "ERROR")


@pytest.mark.parametrize("spoil", BROKEN)
def test_the_good_scan_beside_a_broken_one_passes(
    project: Project, data: Path, spoil: Callable[[Path], Path]
) -> None:
    spoil(data)
    project.gate(checks=CHECKS)
    assert project.verdicts()[("integrity", "good.nii.gz")] == "PASS"


@pytest.mark.parametrize("spoil", BROKEN)
def test_the_failure_names_the_broken_file(
    project: Project, data: Path, spoil: Callable[[Path], Path]
) -> None:
    broken = spoil(data)
    result = project.gate(checks=CHECKS)
    result.stdout.fnmatch_lines([f"FAILED data/{broken.name}::integrity*"])


@pytest.mark.parametrize("spoil", BROKEN)
def test_the_reason_is_a_sentence_without_a_traceback(
    project: Project, data: Path, spoil: Callable[[Path], Path]
) -> None:
    spoil(data)
    project.gate(checks=CHECKS)
    reason = bad_one(project)["reason"]
    assert re.fullmatch(r".+\.", reason)
    assert "Traceback" not in reason


HOSTILE = (
    "with space.nii.gz",
    'it\'s "quoted".nii.gz',
    "<script>alert(1)<_script>.nii.gz",
    "größe-日本-😀.nii.gz",
    "a;b&c$(d)`e`.nii.gz",
    "100%[1].nii.gz",
    "{{ 7 * 7 }}.nii.gz",
    "a::b.nii.gz",
    "#hash?query=1.nii.gz",
    "back\\slash.nii.gz",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_scan_with_a_hostile_name_is_judged(project: Project, name: str) -> None:
    project.scan(f"data/{name}")
    assert project.gate().ret == pytest.ExitCode.OK
    assert project.verdicts()[("brightness", name)] == "PASS"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_scan_with_a_hostile_name_has_a_page(project: Project, name: str) -> None:
    project.scan(f"data/{name}", 2.0)
    project.gate()
    assert len(list((project.report / "scans").glob("*.html"))) == 1


@pytest.mark.parametrize("name", HOSTILE)
def test_a_scan_with_a_hostile_name_is_selected_by_its_node_id(project: Project, name: str) -> None:
    project.scan(f"data/{name}")
    project.gate(f"data/{name}::brightness")
    assert set(project.verdicts()) == {("brightness", name)}


def test_a_hostile_folder_is_judged(project: Project) -> None:
    folder = 'it\'s a <b> "folder" 日本'
    project.scan(f"{folder}/sub-01/sub-01_T1w.nii.gz")
    assert project.gate(data=folder).ret == pytest.ExitCode.OK


def test_hostile_names_are_judged_with_two_workers(project: Project) -> None:
    project.scans(*(f"data/{name}" for name in HOSTILE))
    assert project.gate("-n2").ret == pytest.ExitCode.OK
    assert {target for check, target in project.verdicts() if check == "brightness"} == set(HOSTILE)
