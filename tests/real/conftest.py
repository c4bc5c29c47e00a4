"""The gate on real scans, run as a user runs it; each cohort is judged once for all tests."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from judged import Judged

from pytest_safegen import ScanRef
from pytest_safegen.data.discover import discover

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"
BALLS = {"ball10": 5.0, "ball20": 10.0}  # name and radius in mm


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark everything in this folder."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.real)


@pytest.fixture(scope="session")
def brains(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """80 real brains as reference; 44 others, a copy and two balls of noise as the release."""
    refs = _scans("ixi-t1")
    root = tmp_path_factory.mktemp("brains")
    reference, release = refs[:80], refs[80:]
    _copy(reference, root / "real")
    _copy(release, root / "synthetic")
    _plant_copy(reference[7], root / "synthetic")
    for name, radius in BALLS.items():
        _plant_ball(release[5], root / "synthetic", name, radius)
    return _judge(root, release, copied=reference[7].subject)


@pytest.fixture(scope="session")
def nodules(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """60 real nodules in chest CT as reference; 20 others and a copy as the release."""
    refs = _scans("lidc-nodules")
    root = tmp_path_factory.mktemp("nodules")
    reference, release = refs[:60], refs[60:80]
    _copy(reference, root / "real")
    _copy(release, root / "synthetic")
    _plant_copy(reference[7], root / "synthetic")
    return _judge(root, release, copied=reference[7].subject)


@pytest.fixture(scope="session")
def rescans(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """24 real brains and one visit of a patient as reference; the other visit, and somebody else.

    The visits are 81 to 723 days apart, from another scanner than the 24.
    """
    refs = _scans("ixi-t1")[:24]
    _scans("ms-longitudinal")
    root = tmp_path_factory.mktemp("rescans")
    _copy(refs, root / "real")
    _brain("sub-12", "ses-01", root / "real", "sub-ms")
    _brain("sub-12", "ses-02", root / "synthetic", "sub-rescan")
    _brain("sub-01", "ses-01", root / "synthetic", "sub-other")
    return _judge(root, [], copied="sub-ms", options=["--safegen-checks=memorization"])


@pytest.fixture(scope="session")
def chest(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Two real DICOM series, with integrity alone, since there are no others to learn from."""
    refs = _scans("chest-ct-dicom")
    root = tmp_path_factory.mktemp("chest")
    shutil.copytree(REAL / "chest-ct-dicom", root / "synthetic")
    return _judge(root, refs, options=["--safegen-checks=integrity"])


@pytest.fixture(scope="session")
def balls() -> Mapping[str, np.ndarray]:
    """Where each ball of noise lies, on the grid of its scan."""
    image = nib.load(_scans("ixi-t1")[85].path)
    return {name: _ball(image, radius) for name, radius in BALLS.items()}


def _scans(cohort: str) -> list[ScanRef]:
    folder = REAL / cohort
    if not folder.is_dir():
        pytest.skip(f"the real scans {cohort} are not on this machine")
    return list(discover(folder).refs)


def _files(ref: ScanRef) -> Iterator[tuple[Path, Path]]:
    """The scan and its mask: where each is, and its place below the data root."""
    yield ref.path, Path(ref.target)
    if ref.mask:
        yield ref.mask, Path(ref.target).parent / ref.mask.name


def _copy(refs: Sequence[ScanRef], root: Path) -> None:
    for ref in refs:
        for source, place in _files(ref):
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, root / place)


def _plant_copy(ref: ScanRef, root: Path) -> None:
    """The same voxels under another patient's name."""
    for source, place in _files(ref):
        path = root / str(place).replace(ref.subject, "sub-copy")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)


def _brain(subject: str, session: str, root: Path, name: str) -> None:
    """The brain of one visit, by the cohort's mask, which lies in a space common to both visits."""
    cohort = REAL / "ms-longitudinal"
    common = cohort / "derivatives" / "common_space" / subject
    number = session.removeprefix("ses-0")
    onto_visit = sitk.ReadTransform(str(common / f"study{number}_FLAIR_to_common_space.txt"))
    mask = sitk.ReadImage(str(common / "brainmask.nii.gz"))
    scan = cohort / subject / session / "anat" / f"{subject}_{session}_T1w.nii.gz"
    image = sitk.ReadImage(str(scan), sitk.sitkFloat32)
    inside = sitk.Resample(mask, image, onto_visit.GetInverse(), sitk.sitkNearestNeighbor, 0)
    path = root / name / "anat" / f"{name}_T1w.nii.gz"
    path.parent.mkdir(parents=True)
    sitk.WriteImage(sitk.Mask(image, sitk.Cast(inside, sitk.sitkUInt8)), str(path))


def _plant_ball(ref: ScanRef, root: Path, name: str, radius: float) -> None:
    image = nib.load(ref.path)
    values = np.asarray(image.dataobj).astype(np.float32)
    where = _ball(image, radius)
    values[where] = np.random.default_rng(0).uniform(values.min(), values.max(), where.sum())
    path = root / ref.target.replace(ref.subject, f"sub-{name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values.astype(image.get_data_dtype()), image.affine), path)


def _ball(image: Any, radius: float) -> np.ndarray:
    """A ball of some mm in the white matter above and beside the middle of the brain."""
    values = np.asarray(image.dataobj)
    spacing = np.array(image.header.get_zooms()[:3])
    middle = np.argwhere(values > values.min()).mean(0) + np.array([24.0, 0.0, 20.0]) / spacing
    steps = (np.indices(values.shape).T - np.round(middle)) * spacing
    distance = np.linalg.norm(steps, axis=-1).T
    return np.asarray(distance <= radius)


def _judge(
    root: Path, clean: Sequence[ScanRef], *, copied: str = "", options: Sequence[str] = ()
) -> Judged:
    given = [f"--safegen-reference={root / 'real'}"] if (root / "real").is_dir() else []
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--safegen-data=synthetic",
        "--safegen-heatmaps=all",
        "--safegen-report=report",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",  # a shuffled release is read anew for every check
        *given,
        *options,
    ]
    (root / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        pytest.fail(
            f"the gate ended with {done.returncode}:\n{done.stdout}{done.stderr}", pytrace=False
        )
    targets = tuple(ref.target for ref in clean)
    return Judged(done.returncode, done.stdout + done.stderr, root / "report", targets, copied)
