"""Whether a follow-up is nearer to another patient of the release than to its own."""

from dataclasses import replace

import numpy as np
import pytest

from pytest_safegen.core.scan import Series
from pytest_safegen.core.targets import ScanTarget, SeriesTarget
from pytest_safegen.testing import phantom, write_scan
from safegen_detectors.longitudinal import LongitudinalDetector

pytestmark = pytest.mark.slow


def written(root, scan):
    return replace(scan, ref=replace(scan.ref, path=write_scan(scan, root)))


def series_of(*scans):
    refs = tuple(scan.ref for scan in scans)
    return Series(refs[0].subject, refs[0].subject, refs)


def nearer(follow_up, first, others):
    """The measure of a series of two scans in a release with some other patients."""
    own = series_of(first, follow_up)
    targets = tuple(ScanTarget(scan.ref, scan) for scan in (first, follow_up))
    cohort = (own, *(series_of(other) for other in others))
    score = (
        LongitudinalDetector()
        .open(None, device="cpu")
        .score([SeriesTarget(own, targets, cohort)])[0]
    )
    return {measure.name: measure for measure in score.measures}.get("nearer_patients")


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The first scans of three patients, on disk."""
    root = tmp_path_factory.mktemp("release")
    return [written(root, phantom(subject, session=1)) for subject in (1, 2, 3)]


def follow_up_of(patient, *, called, noise=0.0):
    """A second scan of `patient` under the name of the subject of `called`."""
    scan = phantom(patient, session=2)
    grain = np.random.default_rng(0).normal(0, noise, scan.voxels.shape).astype(np.float32)
    voxels = np.where(scan.voxels > 0, scan.voxels + grain, 0)
    return replace(scan, voxels=voxels, ref=replace(scan.ref, subject=called.ref.subject))


def test_a_follow_up_of_another_patient_is_named(release):
    first, *others = release
    found = nearer(follow_up_of(2, called=first), first, others)

    assert found.value >= 1
    assert "the first scan of sub-02 better" in found.message


def test_a_noisy_follow_up_is_still_nearest_to_its_own_patient(release):
    first, *others = release
    found = nearer(follow_up_of(1, called=first, noise=25.0), first, others)

    assert found.value == 0


def test_a_similar_follow_up_is_not_compared_with_others(release):
    first, *others = release

    assert nearer(replace(first, ref=replace(first.ref, session="ses-02")), first, others) is None


def test_an_unreadable_scan_of_another_patient_is_skipped(release, tmp_path):
    first, *others = release
    broken = replace(others[0], ref=replace(others[0].ref, path=tmp_path / "gone.nii.gz"))
    follow_up = follow_up_of(2, called=first)

    assert nearer(follow_up, first, [broken]) is None
    assert nearer(follow_up, first, [broken, others[0]]).value == 1
