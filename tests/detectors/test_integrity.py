"""The integrity check: every planted fault is measured, sane scans are left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pytest_safegen import (
    Detector,
    NotJudged,
    Profile,
    ProfileError,
    Scan,
    ScanRef,
    ScanTarget,
    Score,
    Verdict,
)
from pytest_safegen.data.table import facts_of
from pytest_safegen.judging.verdict import judge
from safegen_detectors.integrity import IntegrityDetector
from safegen_detectors.integrity.content import blank_slices, body_mask
from safegen_detectors.integrity.geometry import (
    along_patient_axes,
    axis_order,
    skew_degrees,
    voxel_size,
)
from safegen_detectors.integrity.reference import AllowedRange, widened_log_range, widened_range

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"
SHAPE = (40, 44, 36)


def sane_scan(seed: int = 0, *, modality: str = "T1w", spacing: float = 2.0) -> Scan:
    """A noisy ellipsoid on a dark background."""
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1.2, 1.2, n) for n in SHAPE), indexing="ij")
    body = sum(axis**2 for axis in axes) < 1
    voxels = random.normal(2, 1, SHAPE) + body * random.normal(120, 20, SHAPE)
    ref = ScanRef(f"sub-{seed}.nii.gz", f"sub-{seed}", None, modality, Path(f"sub-{seed}.nii.gz"))
    affine = np.diag([spacing, spacing, spacing, 1.0])
    return Scan(ref, voxels.astype(np.float32), affine, stored_type="float32")


def ct_scan(seed: int = 0) -> Scan:
    scan = sane_scan(seed, modality="ct")
    return with_voxels(scan, scan.voxels * 9 - 1000)


def with_voxels(scan: Scan, voxels: np.ndarray) -> Scan:
    return replace(scan, voxels=np.asarray(voxels, dtype=np.float32))


def target_of(scan: Scan) -> ScanTarget:
    return ScanTarget(scan.ref, scan, facts=facts_of(scan))


def score_of(scan: Scan, profile: Profile | None = None) -> Score:
    target = ScanTarget(scan.ref, scan) if profile is None else target_of(scan)
    return IntegrityDetector().open(profile, device="cpu").score([target])[0]


def measure_of(scan: Scan, name: str, profile: Profile | None = None) -> float:
    return next(m.value for m in score_of(scan, profile).measures if m.name == name)


def verdict_of(scan: Scan, profile: Profile | None = None) -> Verdict:
    return judge("integrity", "x", score_of(scan, profile), rules=IntegrityDetector().rules).verdict


def profile_of(scans: list[Scan]) -> Profile:
    """A profile of what the gate gives a detector: facts without voxels, stored as JSON."""
    targets = [replace(target_of(scan), scan=None) for scan in scans]
    fitted = IntegrityDetector().fit(targets, seed=0)
    facts = json.loads(json.dumps(fitted.facts))
    return Profile("integrity", "digest", {}, facts, np.zeros(0), "", len(scans))


@pytest.fixture(scope="module")
def mr_profile() -> Profile:
    return profile_of([sane_scan(seed) for seed in range(20)])


@pytest.fixture(scope="module")
def ct_profile() -> Profile:
    return profile_of([ct_scan(seed) for seed in range(20)])


def nan_block(scan: Scan) -> Scan:
    voxels = scan.voxels.copy()
    voxels[10:14, 20:24, 5:9] = np.nan
    return with_voxels(scan, voxels)


def dropped_slice(scan: Scan) -> Scan:
    voxels = scan.voxels.copy()
    voxels[:, :, 18] = 0
    return with_voxels(scan, voxels)


def clipped_top(scan: Scan) -> Scan:
    return with_voxels(scan, np.minimum(scan.voxels, 110))


def label_map(scan: Scan) -> Scan:
    blocks = np.add.outer(np.add.outer(np.arange(40) // 8, np.arange(44) // 8 * 5), np.zeros(36))
    return with_voxels(scan, (blocks + np.arange(36) // 8 * 30 + 1) * 3)


FAULTS: dict[str, Callable[[Scan], Scan]] = {
    "nan_block": nan_block,
    "infinite_voxel": lambda s: with_voxels(
        s, np.where(s.voxels == s.voxels.max(), np.inf, s.voxels)
    ),
    "all_nan": lambda s: with_voxels(s, np.full(SHAPE, np.nan)),
    "constant": lambda s: with_voxels(s, np.full(SHAPE, 7)),
    "empty": lambda s: with_voxels(s, np.zeros(SHAPE)),
    "mask": lambda s: with_voxels(s, s.voxels > 60),
    "label_map": label_map,
    "clipped_top": clipped_top,
    "dropped_slice": dropped_slice,
    "thin": lambda s: with_voxels(s, s.voxels[:, :, 16:20]),
    "zero_voxel_size": lambda s: replace(s, affine=np.diag([2.0, 2.0, 0.0, 1.0])),
    "nan_affine": lambda s: replace(s, affine=np.full((4, 4), np.nan)),
    "metres": lambda s: replace(s, affine=np.diag([0.002, 0.002, 0.002, 1.0])),
    "mask_off_grid": lambda s: replace(s, mask_problem="the mask is not on the grid of the scan"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_without_a_reference(fault: str) -> None:
    assert verdict_of(FAULTS[fault](sane_scan())) is Verdict.FAIL


def test_a_sane_scan_passes_without_a_reference() -> None:
    assert verdict_of(sane_scan()) is Verdict.PASS


def test_a_sane_scan_passes_with_a_reference(mr_profile: Profile) -> None:
    assert verdict_of(sane_scan(99), mr_profile) is Verdict.PASS


def test_it_is_a_detector() -> None:
    assert isinstance(IntegrityDetector(), Detector)


def test_an_unreadable_scan_says_the_problem_of_the_reader() -> None:
    target = ScanTarget(sane_scan().ref, None, problem="The file x.nii.gz is cut short.")
    score = IntegrityDetector().open(None, device="cpu").score([target])[0]
    assert [(m.name, m.value, m.message) for m in score.measures] == [
        ("unreadable", 1.0, "The file x.nii.gz is cut short")
    ]


def test_scores_come_in_the_order_of_the_targets() -> None:
    targets = [target_of(sane_scan()), target_of(nan_block(sane_scan()))]
    scores = IntegrityDetector().open(None, device="cpu").score(targets)
    assert [score.heatmap is None for score in scores] == [True, False]


def test_every_measure_has_a_rule(ct_profile: Profile) -> None:
    names = {measure.name for measure in score_of(ct_scan(), ct_profile).measures}
    assert names == set(IntegrityDetector().rules)


def test_every_measure_is_finite_for_a_volume_without_a_finite_voxel(mr_profile: Profile) -> None:
    score = score_of(FAULTS["all_nan"](sane_scan()), mr_profile)
    assert all(np.isfinite(measure.value) for measure in score.measures)


def test_a_nan_block_is_located_in_mm() -> None:
    finding = judge("i", "x", score_of(nan_block(sane_scan())), rules=IntegrityDetector().rules)
    assert "around (23, 43, 13) mm" in finding.reason


def test_a_dropped_slice_is_named() -> None:
    finding = judge("i", "x", score_of(dropped_slice(sane_scan())), rules=IntegrityDetector().rules)
    assert "k = 18, first at (40, 44, 36) mm" in finding.reason


def test_the_heatmap_of_a_nan_block_is_finite_and_at_least_1_only_there() -> None:
    scan = nan_block(sane_scan())
    heatmap = score_of(scan).heatmap
    assert heatmap is not None
    assert np.array_equal(heatmap.values >= 1, np.isnan(scan.voxels))
    assert np.isfinite(heatmap.values).all()


def test_the_heatmap_of_a_dropped_slice_is_that_slice() -> None:
    heatmap = score_of(dropped_slice(sane_scan())).heatmap
    assert heatmap is not None
    assert set(np.argwhere(heatmap.values >= 1)[:, 2]) == {18}


def test_the_heatmap_of_a_clipped_scan_is_where_it_is_cut_off() -> None:
    scan = clipped_top(sane_scan())
    heatmap = score_of(scan).heatmap
    assert heatmap is not None
    assert np.array_equal(heatmap.values >= 1, scan.voxels == scan.voxels.max())


def test_a_fault_without_a_place_has_no_heatmap() -> None:
    assert score_of(FAULTS["constant"](sane_scan())).heatmap is None


def test_the_nonfinite_share_is_the_planted_share() -> None:
    expected = 4 * 4 * 4 / np.prod(SHAPE)
    assert measure_of(nan_block(sane_scan()), "nonfinite_share") == pytest.approx(expected)


def test_the_clipped_share_grows_with_clipping() -> None:
    scan = sane_scan()
    cut = [with_voxels(scan, np.minimum(scan.voxels, level)) for level in (180, 150, 120, 100)]
    shares = [measure_of(each, "clipped_share") for each in cut]
    assert shares == sorted(shares)
    assert shares[0] < 0.02 < 0.05 < shares[-1]


def test_a_blank_slice_outside_the_body_is_not_counted() -> None:
    scan = sane_scan()
    voxels = scan.voxels.copy()
    voxels[:, :, 1] = 0
    assert measure_of(with_voxels(scan, voxels), "blank_slices") == 0


def test_blank_slices_agree_with_a_plain_search() -> None:
    voxels = sane_scan().voxels.copy()
    voxels[15, :, :] = voxels[22, :, :] = voxels[23, :, :] = 3
    plain = [i for i in range(SHAPE[0]) if len(np.unique(voxels[i])) == 1]
    assert blank_slices(voxels, body_mask(voxels), 0).tolist() == plain == [15, 22, 23]


def test_a_skewed_affine_has_the_planted_angle() -> None:
    affine = np.eye(4)
    affine[:3, 1] = [np.sin(np.radians(20)), np.cos(np.radians(20)), 0]
    assert skew_degrees(affine) == pytest.approx(20)


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
    assert "Hounsfield units may be lost" in finding.reason


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


@given(st.permutations("ijk"), st.lists(st.booleans(), min_size=3, max_size=3))
def test_facts_along_the_body_do_not_depend_on_how_axes_are_stored(
    order: list[str], flips: list[bool]
) -> None:
    letters = {"i": "LR", "j": "PA", "k": "IS"}
    sizes = {"i": 1.0, "j": 2.0, "k": 3.0}
    code = "".join(letters[a][flip] for a, flip in zip(order, flips, strict=True))
    row = {f"spacing_{s}": sizes[a] for s, a in zip("ijk", order, strict=True)}
    assert along_patient_axes({**row, "orientation": code}, "spacing") == (1.0, 2.0, 3.0)


@pytest.mark.parametrize("code", ["", "None", "RRS", "RA"])
def test_an_unknown_orientation_keeps_the_order_of_the_file(code: str) -> None:
    assert axis_order(code) == (0, 1, 2)


positive = st.floats(0.01, 1e4)


@given(st.lists(positive, min_size=1, max_size=99))
def test_the_values_that_made_a_range_are_inside_it(values: list[float]) -> None:
    allowed = widened_log_range(values, tolerance=0.02, few=0.5)
    assert all(allowed.distance_of_log(value) <= 1 for value in values)


@given(st.lists(positive, min_size=1, max_size=99), st.floats(-1000, 1000))
def test_a_range_moves_with_its_values(values: list[float], shift: float) -> None:
    plain = widened_range(values, tolerance=5, few=1)
    moved = widened_range([value + shift for value in values], tolerance=5, few=1)
    assert moved.low == pytest.approx(plain.low + shift, abs=1e-6)


def test_a_single_outlier_in_a_hundred_does_not_widen_a_range() -> None:
    assert widened_range([1.0] * 99 + [50.0], tolerance=0.5, few=0) == AllowedRange(0.5, 1.5)


@settings(deadline=None, max_examples=20)
@given(st.floats(0.01, 1000), st.floats(-1000, 1000))
def test_scale_and_offset_leave_the_body_where_it_is(scale: float, offset: float) -> None:
    voxels = sane_scan().voxels
    changed = (voxels.astype(np.float64) * scale + offset).astype(np.float32)
    assert (body_mask(changed) != body_mask(voxels)).mean() < 0.001


@given(st.lists(st.floats(0.1, 10), min_size=3, max_size=3), st.floats(0, 6.3))
def test_voxel_size_does_not_depend_on_the_orientation(sizes: list[float], angle: float) -> None:
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(sizes)
    assert voxel_size(affine) == pytest.approx(np.array(sizes))


def read(path: Path, modality: str) -> Scan:
    image = nibabel.load(path)
    ref = ScanRef(path.name, path.name.split("_")[0], None, modality, path)
    voxels = np.asarray(image.dataobj, dtype=np.float32)
    return Scan(ref, voxels, image.affine, stored_type=str(image.get_data_dtype()))


COHORTS = {
    "ixi-t1": ("sub-*/anat/*_T1w.nii.gz", "T1w"),
    "lidc-nodules": ("sub-*/*_ct.nii.gz", "ct"),
}


@pytest.fixture(scope="module", params=COHORTS)
def real_cohort(request: pytest.FixtureRequest) -> tuple[Profile, list[Scan]]:
    pattern, modality = COHORTS[request.param]
    paths = sorted((REAL / request.param).glob(pattern))
    if not paths:
        pytest.skip(f"the real scans of {request.param} are not part of the repository")
    order = np.random.default_rng(1).permutation(len(paths))
    scans = [read(paths[place], modality) for place in order[:124]]
    return profile_of(scans[:80]), scans[80:]


@pytest.mark.real
def test_no_unseen_real_scan_fails(real_cohort: tuple[Profile, list[Scan]]) -> None:
    profile, unseen = real_cohort
    failed = [scan.ref.target for scan in unseen if verdict_of(scan, profile) is Verdict.FAIL]
    assert failed == []


def real_fault(scan: Scan, kind: str) -> Scan:
    voxels, middle = scan.voxels.copy(), np.array(scan.voxels.shape) // 2
    match kind:
        case "voxel_size":
            return replace(scan, affine=scan.affine @ np.diag([1.5, 1.5, 1.5, 1]))
        case "cropped":
            return with_voxels(scan, voxels[: middle[0]])
        case "nan_block":
            voxels[tuple(slice(m, m + 4) for m in middle)] = np.nan
        case "dropped_slice":
            voxels[:, :, middle[2]] = voxels.min()
        case "clipped":
            voxels = np.minimum(voxels, np.percentile(voxels[voxels > voxels.min()], 85))
        case "mask":
            voxels = voxels > np.percentile(voxels, 80)
    return with_voxels(scan, voxels)


@pytest.mark.real
@pytest.mark.parametrize(
    "kind", ["voxel_size", "cropped", "nan_block", "dropped_slice", "clipped", "mask"]
)
def test_a_fault_planted_in_a_real_scan_fails(
    real_cohort: tuple[Profile, list[Scan]], kind: str
) -> None:
    profile, unseen = real_cohort
    verdicts = {verdict_of(real_fault(scan, kind), profile) for scan in unseen[:10]}
    assert verdicts == {Verdict.FAIL}


@pytest.mark.real
def test_a_real_label_map_is_not_taken_for_a_scan() -> None:
    paths = sorted((REAL / "ixi-t1" / "derivatives").rglob("*.nii.gz"))
    if not paths:
        pytest.skip("the real label maps of ixi-t1 are not part of the repository")
    assert measure_of(read(paths[0], "T1w"), "flat_share") > 0.7
