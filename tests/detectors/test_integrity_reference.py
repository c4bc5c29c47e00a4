"""The ranges of the reference, and scans inside and outside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from integrity_scans import (
    FAULTS,
    clipped_top,
    ct_scan,
    measure_of,
    profile_of,
    sane_scan,
    score_of,
    target_of,
    verdict_of,
    with_voxels,
)

from pytest_safegen import (
    NotJudged,
    Profile,
    ProfileError,
    ScanTarget,
    Verdict,
)
from pytest_safegen.judging.verdict import judge
from safegen_detectors.integrity import IntegrityDetector
from safegen_detectors.integrity.reference import AllowedRange, widened_log_range, widened_range


@pytest.fixture(scope="module")
def mr_profile() -> Profile:
    return profile_of([sane_scan(seed) for seed in range(20)])


@pytest.fixture(scope="module")
def ct_profile() -> Profile:
    return profile_of([ct_scan(seed) for seed in range(20)])


def test_an_unreadable_scan_says_the_problem_of_the_reader() -> None:
    target = ScanTarget(sane_scan().ref, None, problem="The file x.nii.gz is cut short.")
    score = IntegrityDetector().open(None, device="cpu").score([target])[0]
    assert [(m.name, m.value, m.message) for m in score.measures] == [
        ("unreadable", 1.0, "The file x.nii.gz is cut short")
    ]


@pytest.mark.parametrize(
    ("factor", "expected"), [(1.0, Verdict.PASS), (1.5, Verdict.FAIL), (1 / 1.5, Verdict.FAIL)]
)
def test_a_wrong_voxel_size_fails_against_the_reference(
    mr_profile: Profile, factor: float, expected: Verdict
) -> None:
    assert verdict_of(sane_scan(50, spacing=2.0 * factor), mr_profile) is expected


def test_the_distance_from_the_reference_grows_with_the_error(mr_profile: Profile) -> None:
    sizes = (2.0, 2.2, 3.0, 6.0)
    found = [
        measure_of(sane_scan(50, spacing=size), "spacing_against_reference", mr_profile)
        for size in sizes
    ]
    assert found == sorted(found)


def test_a_cropped_scan_fails_against_the_reference(mr_profile: Profile) -> None:
    scan = sane_scan(50)
    assert verdict_of(with_voxels(scan, scan.voxels[:20]), mr_profile) is Verdict.FAIL


def test_a_half_that_is_blanked_is_noticed(mr_profile: Profile) -> None:
    scan = sane_scan(50)
    voxels = scan.voxels.copy()
    voxels[:, :20] = voxels.min()
    assert verdict_of(with_voxels(scan, voxels), mr_profile) is Verdict.WARN


def test_noise_in_a_background_that_is_blank_in_the_reference_is_no_fault() -> None:
    blank = [with_voxels(scan, np.maximum(scan.voxels, 8)) for scan in map(sane_scan, range(20))]
    assert verdict_of(sane_scan(50), profile_of(blank)) is Verdict.PASS


def test_another_order_of_the_axes_is_no_fault(mr_profile: Profile) -> None:
    scan = sane_scan(50)
    turned = replace(
        scan,
        voxels=np.ascontiguousarray(scan.voxels.transpose(2, 0, 1)),
        affine=scan.affine[:, [2, 0, 1, 3]],
    )
    assert verdict_of(turned, mr_profile) is Verdict.PASS


@pytest.mark.parametrize("scale", [0.001, 1 / 255, 40.0])
def test_another_scale_of_mr_is_no_fault(mr_profile: Profile, scale: float) -> None:
    scan = sane_scan(50)
    assert verdict_of(with_voxels(scan, scan.voxels * scale), mr_profile) is Verdict.PASS


def test_ct_in_hounsfield_units_passes(ct_profile: Profile) -> None:
    assert verdict_of(ct_scan(50), ct_profile) is Verdict.PASS


LOST: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "unit": lambda v: (v - v.min()) / (v.max() - v.min()),
    "byte": lambda v: np.round((v - v.min()) / (v.max() - v.min()) * 255),
    "offset": lambda v: v + 1024,
}


@pytest.mark.parametrize("kind", LOST)
def test_lost_hounsfield_units_fail(ct_profile: Profile, kind: str) -> None:
    scan = ct_scan(50)
    lost = with_voxels(scan, LOST[kind](scan.voxels))
    finding = judge("i", "x", score_of(lost, ct_profile), rules=IntegrityDetector().rules)
    assert finding.verdict is Verdict.FAIL
    assert "lost their Hounsfield units" in finding.reason


def test_a_hot_voxel_is_noticed(mr_profile: Profile) -> None:
    scan = sane_scan(50)
    voxels = scan.voxels.copy()
    voxels[20, 20, 20] = 100 * voxels.max()
    assert verdict_of(with_voxels(scan, voxels), mr_profile) is Verdict.FAIL


def test_a_reference_that_is_clipped_itself_allows_clipping() -> None:
    profile = profile_of([clipped_top(sane_scan(seed)) for seed in range(20)])
    assert verdict_of(clipped_top(sane_scan(50)), profile) is Verdict.PASS


def test_each_modality_has_its_own_ranges() -> None:
    scans = [sane_scan(s) for s in range(20)]
    others = [sane_scan(s, modality="FLAIR", spacing=4.0) for s in range(20)]
    profile = profile_of(scans + others)
    assert verdict_of(sane_scan(50, spacing=4.0), profile) is Verdict.FAIL
    assert verdict_of(sane_scan(50, modality="FLAIR", spacing=4.0), profile) is Verdict.PASS


def test_unreadable_and_empty_reference_scans_are_left_out() -> None:
    good = [target_of(sane_scan(seed)) for seed in range(3)]
    broken = ScanTarget(sane_scan().ref, None, problem="The file is cut short.")
    empty = target_of(FAULTS["all_nan"](sane_scan()))
    with_broken = IntegrityDetector().fit([*good, broken, empty], seed=0)
    assert with_broken == IntegrityDetector().fit(good, seed=0)


def test_a_reference_without_a_readable_scan_is_an_error() -> None:
    with pytest.raises(ProfileError, match="No reference scan can be read"):
        IntegrityDetector().fit([], seed=0)


def test_a_scan_without_facts_is_not_judged_against_the_reference(mr_profile: Profile) -> None:
    scan = sane_scan()
    with pytest.raises(NotJudged, match="has no number"):
        IntegrityDetector().open(mr_profile, device="cpu").score([ScanTarget(scan.ref, scan)])


positive = st.floats(0.01, 1e4)


@given(st.lists(positive, min_size=1, max_size=99))
def test_the_values_that_made_a_range_are_inside_it(values: list[float]) -> None:
    allowed = widened_log_range(values, tolerance=0.02, sparsity=0.5)
    assert all(allowed.distance_of_log(value) <= 1 for value in values)


@given(st.lists(positive, min_size=1, max_size=99), st.floats(-1000, 1000))
def test_a_range_moves_with_its_values(values: list[float], shift: float) -> None:
    plain = widened_range(values, tolerance=5, sparsity=1)
    moved = widened_range([value + shift for value in values], tolerance=5, sparsity=1)
    assert moved.low == pytest.approx(plain.low + shift, abs=1e-6)


def test_a_single_outlier_in_a_hundred_does_not_widen_a_range() -> None:
    assert widened_range([1.0] * 99 + [50.0], tolerance=0.5, sparsity=0) == AllowedRange(0.5, 1.5)
