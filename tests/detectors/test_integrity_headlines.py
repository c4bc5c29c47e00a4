"""What the integrity check says: a headline and a message for every measure that can fail."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from integrity_scans import (
    FAULTS,
    clipped_top,
    ct_scan,
    nan_block,
    profile_of,
    sane_scan,
    score_of,
    target_of,
    with_voxels,
)

from pytest_safegen import Finding, Profile, Scan, ScanTarget
from pytest_safegen.judging.verdict import judge
from safegen_detectors.integrity import IntegrityDetector

MOST_CHARACTERS = 90
DETECTOR = IntegrityDetector()
UNREADABLE = ScanTarget(
    sane_scan().ref, None, problem="sub-0.nii.gz is truncated or corrupt; re-export it."
)


@pytest.fixture(scope="module")
def mr_profile() -> Profile:
    return profile_of([sane_scan(seed) for seed in range(20)])


def finding_of(scan: Scan, profile: Profile | None = None) -> Finding:
    return judge("integrity", "x", score_of(scan, profile), rules=DETECTOR.rules)


def unreadable(target: ScanTarget) -> Finding:
    (score,) = DETECTOR.open(None, device="cpu").score([target])
    return judge("integrity", "x", score, rules=DETECTOR.rules)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("nan_block", "Non-finite voxels (0.1 % of the scan)"),
        ("constant", "Constant scan (+1 more)"),
        ("empty", "Constant scan (+1 more)"),
        ("all_nan", "Non-finite voxels (100 % of the scan) (+2 more)"),
        ("mask", "Only 2 distinct voxel values, as in a mask (+1 more)"),
        ("dropped_slice", "1 blank slice inside the body (k = 18)"),
        ("thin", "Only 4 voxels along k"),
        ("metres", "Voxels too small: 0.002 x 0.002 x 0.002 mm"),
        ("mask_off_grid", "Mask cannot be used"),
    ],
)
def test_a_fault_has_a_headline(fault: str, expected: str) -> None:
    assert finding_of(FAULTS[fault](sane_scan())).headline == expected


def test_the_headline_on_clipping_holds_value_and_share() -> None:
    headline = finding_of(clipped_top(sane_scan())).headline
    assert re.match(r"Voxels clipped at 110 \(\d+ % of the body\)", headline)


def test_the_headline_on_an_unreadable_scan_is_that_of_the_reader() -> None:
    headed = replace(UNREADABLE, headline="Truncated or corrupt file")
    assert unreadable(headed).headline == "Truncated or corrupt file"


def test_without_a_headline_of_the_reader_the_problem_is_shortened() -> None:
    assert unreadable(UNREADABLE).headline == "sub-0.nii.gz is truncated or corrupt; re-export it"


def test_another_voxel_spacing_is_shown_beside_the_usual_one(mr_profile: Profile) -> None:
    finding = finding_of(sane_scan(50, spacing=3.0), mr_profile)
    spacing = next(m for m in finding.measures if m.name == "spacing_against_reference")
    assert re.fullmatch(
        r"Voxel spacing unlike the reference: 3 mm, usually [\d.]+ to [\d.]+", spacing.headline
    )


def test_a_darker_scan_than_ct_is_not_in_hounsfield_units() -> None:
    profile = profile_of([ct_scan(seed) for seed in range(20)])
    scan = ct_scan(50)
    finding = finding_of(with_voxels(scan, scan.voxels + 1024), profile)
    assert finding.headline.startswith("Intensities not in Hounsfield units")


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"nan_affine"}))  # it has no row of facts
def test_what_fails_has_a_message_and_a_headline(fault: str, mr_profile: Profile) -> None:
    finding = finding_of(FAULTS[fault](sane_scan()), mr_profile)
    measures = {measure.name: measure for measure in finding.measures}
    failed = [measures[breach.measure] for breach in finding.breaches]
    assert [one.name for one in failed if not one.message or not one.headline] == []


EXTREMES = st.floats(allow_nan=True, allow_infinity=True, width=32)


@settings(deadline=None, max_examples=50)
@given(
    voxels=st.lists(EXTREMES, min_size=8, max_size=8),
    spacing=st.lists(st.floats(-1e30, 1e30), min_size=3, max_size=3),
    problem=st.text(max_size=200),
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_headlines_have_at_most_90_characters(
    voxels: list[float], spacing: list[float], problem: str
) -> None:
    scan = replace(
        nan_block(sane_scan()),
        voxels=np.array(voxels, np.float32).reshape(2, 2, 2),
        affine=np.diag([*spacing, 1.0]),
        mask_problem=problem,
    )
    measures = [*score_of(scan).measures, *_unreadable_measures(problem)]
    assert max(len(measure.headline) for measure in measures) <= MOST_CHARACTERS


def _unreadable_measures(problem: str) -> list:
    target = ScanTarget(sane_scan().ref, None, problem=problem)
    return [*DETECTOR.open(None, device="cpu").score([target])[0].measures]


@settings(deadline=None, max_examples=25)
@given(spacing=st.floats(1e-12, 1e12), gain=st.floats(-1e12, 1e12))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_headlines_against_the_reference_have_at_most_90_characters(
    mr_profile: Profile, spacing: float, gain: float
) -> None:
    scan = sane_scan(50, spacing=spacing)
    target = target_of(with_voxels(scan, scan.voxels * gain))
    (score,) = DETECTOR.open(mr_profile, device="cpu").score([target])
    assert max(len(measure.headline) for measure in score.measures) <= MOST_CHARACTERS
