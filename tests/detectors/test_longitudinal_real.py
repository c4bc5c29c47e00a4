"""The longitudinal check on real pairs: they must not fail, and what is planted in them must."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pytest_safegen.core.finding import Verdict
from pytest_safegen.core.scan import Scan, ScanRef, Series
from pytest_safegen.core.targets import ScanTarget, SeriesTarget
from pytest_safegen.data.discover import discover
from pytest_safegen.judging.verdict import judge
from pytest_safegen.prepare.resample import resample
from pytest_safegen.readers import read_scan
from safegen_detectors.longitudinal import LongitudinalDetector
from safegen_detectors.longitudinal.inputs.timepoints import prepare_timepoints
from safegen_detectors.longitudinal.limits import RULES
from safegen_detectors.longitudinal.measures.location import locate_mask

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"
PAIRS, BRAINS, NODULES = (REAL / name for name in ("ms-longitudinal", "ixi-t1", "lidc-nodules"))
MODALITIES = ("FLAIR", "T1w", "T2w")

pytestmark = [pytest.mark.real, pytest.mark.slow]
needs_pairs = pytest.mark.skipif(
    not PAIRS.is_dir(), reason="the real scans ms-longitudinal are not here"
)
needs_nodules = pytest.mark.skipif(
    not NODULES.is_dir(), reason="the real scans lidc-nodules are not here"
)
needs_brains = pytest.mark.skipif(not BRAINS.is_dir(), reason="the real scans ixi-t1 are not here")


def visit(subject: str, number: int, modality: str) -> Scan:
    name = f"sub-{subject}_ses-{number:02}_{modality}.nii.gz"
    path = PAIRS / f"sub-{subject}" / f"ses-{number:02}" / "anat" / name
    image = nib.load(path)
    ref = ScanRef(name, subject, f"{number:02}", modality, path, months=6.0 * number)
    return Scan(ref, np.asarray(image.dataobj, dtype=np.float32), image.affine)


def finding(*scans: Scan):
    detector = LongitudinalDetector()
    refs = tuple(scan.ref for scan in scans)
    target = SeriesTarget(
        Series("sub", "sub", refs), tuple(ScanTarget(scan.ref, scan) for scan in scans)
    )
    score = detector.open(None, device="cpu").score([target])[0]
    return judge("longitudinal", "sub", score, rules=detector.rules)


@needs_pairs
@pytest.mark.parametrize("subject", ["01", "12"])
def test_a_real_patient_seen_twice_does_not_fail(subject):
    scans = [visit(subject, number, modality) for number in (1, 2) for modality in MODALITIES]

    result = finding(*scans)

    assert not result.verdict.blocks, result.reason


@needs_pairs
@pytest.mark.parametrize("modality", MODALITIES)
def test_another_real_patients_follow_up_fails_identity(modality):
    result = finding(visit("01", 1, modality), visit("12", 2, modality))

    assert result.verdict is Verdict.FAIL
    assert "another patient" in result.reason


@needs_pairs
@pytest.mark.parametrize("modality", MODALITIES)
def test_a_mirrored_real_follow_up_fails(modality):
    later = visit("12", 2, modality)
    result = finding(visit("12", 1, modality), replace(later, voxels=later.voxels[::-1].copy()))

    assert result.verdict is Verdict.FAIL
    assert "left and right" in result.reason.lower()


@needs_pairs
def test_a_copy_of_the_baseline_under_fresh_faint_noise_fails():
    first = visit("12", 1, "FLAIR")
    faint = np.random.default_rng(0).normal(0, 3, first.voxels.shape)
    copy = replace(
        first, ref=visit("12", 2, "FLAIR").ref, voxels=(first.voxels + faint).astype(np.float32)
    )

    result = finding(first, copy)

    assert result.verdict is Verdict.FAIL
    assert "the noise repeats" in result.reason.lower()


def follow_up(which: int, number: int, *, radius: float, turn: float = 0.0) -> Scan:
    """A real brain at a simulated visit: a ball of some mm, a small head turn, fresh noise."""
    path = sorted(BRAINS.glob("sub-*/anat/*_T1w.nii.gz"))[which]
    image = nib.load(path)
    brain = np.asarray(image.dataobj, dtype=np.float32)
    middle = np.argwhere(brain > 0).mean(axis=0) + np.array([14, 0, 5])
    mask = np.linalg.norm((np.indices(brain.shape).T - middle).T, axis=0) * 2.0 <= radius
    onto = {"to_affine": image.affine, "to_shape": brain.shape, "mapping": turned(image, turn)}
    voxels = resample(np.where(mask, 200.0, brain), image.affine, **onto)
    moved = resample(mask.astype(np.float32), image.affine, **onto) > 0.5
    grain = np.random.default_rng(number).normal(0, 4, brain.shape)
    seen = np.where(voxels > 5, np.clip(voxels + grain, 0, 255), 0).round().astype(np.float32)
    ref = ScanRef(f"ses-{number:02}", "p", f"{number:02}", "T1w", path, months=3.0 * number)
    return Scan(ref, seen, image.affine, moved, "uint8")


def turned(image: nib.Nifti1Image, degrees: float) -> np.ndarray:
    """A turn about the inferior-superior axis through the middle of the image, with a shift."""
    middle = (image.affine @ [*(np.array(image.shape) - 1) / 2, 1])[:3]
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    mapping = np.eye(4)
    mapping[:3, :3] = [[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]
    mapping[:3, 3] = middle - mapping[:3, :3] @ middle + degrees / 2
    return mapping


@needs_brains
def test_a_growing_lesion_in_a_real_brain_with_fresh_noise_and_small_turns_passes():
    result = finding(
        *(follow_up(0, n, radius=6.0 + n, turn=turn) for n, turn in ((1, 0.0), (2, 3.0), (3, -2.0)))
    )

    assert result.verdict is Verdict.PASS, result.reason


@needs_brains
def test_another_real_brain_at_the_last_visit_fails_identity():
    result = finding(
        follow_up(0, 1, radius=7.0), follow_up(0, 2, radius=8.0), follow_up(1, 3, radius=9.0)
    )

    assert result.verdict is Verdict.FAIL
    assert "session 03 (T1w) looks like another patient" in result.reason


@needs_brains
def test_a_mask_shifted_out_of_a_real_brain_fails():
    later = follow_up(0, 2, radius=8.0)
    result = finding(
        follow_up(0, 1, radius=8.0), replace(later, mask=np.roll(later.mask, 22, axis=0))
    )

    assert result.verdict is Verdict.FAIL
    assert "out of the body" in result.reason


@pytest.fixture(scope="module")
def nodules() -> tuple[Series, ...]:
    return discover(NODULES).series


@needs_nodules
@pytest.mark.parametrize("number", range(0, 300, 15))
def test_a_real_nodule_lies_in_the_lung(nodules, number):
    ref = replace(nodules[number].refs[0], labels={"pathology": "lung nodule"})
    (point,) = prepare_timepoints([read_scan(ref)])
    values = {measure.name: measure.value for measure in locate_mask(point).measures}

    assert values["lung_inside"] >= (RULES["lung_inside"].fail_below or 0)
    assert values["lung_depth_outside"] <= (RULES["lung_depth_outside"].fail_above or 0)
