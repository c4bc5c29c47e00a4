"""The longitudinal check on phantoms: what it must fail, and what it must let through."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.core.errors import NotJudged
from pytest_safegen.core.finding import Verdict
from pytest_safegen.core.scan import Scan, ScanRef, Series
from pytest_safegen.core.targets import ScanTarget, SeriesTarget
from pytest_safegen.judging.verdict import judge
from safegen_detectors.longitudinal import LongitudinalDetector

pytestmark = pytest.mark.slow

SHAPE = (44, 52, 48)
SPACING = 3.0
CENTRE = np.array([29.0, 26.0, 24.0])
DETECTOR = LongitudinalDetector()


def brain(seed: int) -> np.ndarray:
    """A blob with folds of its own in a blank background, about 0 to 200."""
    rng = np.random.default_rng(seed)
    place = np.indices(SHAPE) - (np.array(SHAPE)[:, None, None, None] - 1) / 2
    radius = np.sqrt(sum((place[axis] / (SHAPE[axis] * 0.42)) ** 2 for axis in range(3)))
    folds = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 1.6)
    return np.where(radius < 1, 110 + 35 * folds / folds.std(), 0.0)


def ball(radius: float) -> np.ndarray:
    """A ball of some mm around CENTRE."""
    distance = np.linalg.norm((np.indices(SHAPE).T - CENTRE).T, axis=0) * SPACING
    return distance <= radius


def scan(anatomy: np.ndarray, number: int, *, radius: float = 12.0, **ref: object) -> Scan:
    """One visit: that anatomy with a bright lesion and the visit's own noise."""
    rng = np.random.default_rng(1000 + number)
    mask = ball(radius)
    voxels = np.where(mask, 190.0, anatomy)
    voxels = np.where(anatomy > 0, voxels + rng.normal(0, 4, SHAPE), 0.0)
    place = ScanRef(
        target=f"p/ses-{number:02}/T1w",
        subject="p",
        session=f"{number:02}",
        modality="T1w",
        path=Path("T1w.nii.gz"),
        months=float(3 * number),
    )
    affine = np.diag([SPACING, SPACING, SPACING, 1.0])
    return Scan(replace(place, **ref), voxels.astype(np.float32), affine, mask)


def series(*scans: Scan) -> SeriesTarget:
    refs = tuple(one.ref for one in scans)
    return SeriesTarget(Series("p", "p", refs), tuple(ScanTarget(one.ref, one) for one in scans))


def score(*scans: Scan):
    return DETECTOR.open(None, device="cpu").score([series(*scans)])[0]


def finding(*scans: Scan):
    return judge("longitudinal", "p", score(*scans), rules=DETECTOR.rules)


def measured(*scans: Scan) -> dict[str, float]:
    return {measure.name: measure.value for measure in score(*scans).measures}


@pytest.fixture(scope="module")
def anatomy() -> np.ndarray:
    return brain(1)


@pytest.fixture(scope="module")
def swapped(anatomy) -> SeriesTarget:
    """Session 02 is another patient's."""
    return series(scan(anatomy, 1), scan(brain(2), 2))


@pytest.fixture(scope="module")
def swapped_score(swapped):
    return DETECTOR.open(None, device="cpu").score([swapped])[0]


def test_it_is_a_detector():
    assert isinstance(DETECTOR, Detector)


def test_a_slowly_growing_lesion_in_one_patient_passes(anatomy):
    result = finding(*(scan(anatomy, n, radius=10.0 + n) for n in (1, 2, 3)))

    assert result.verdict is Verdict.PASS, result.reason


def test_another_patients_follow_up_fails_and_is_named(swapped_score):
    result = judge("longitudinal", "p", swapped_score, rules=DETECTOR.rules)

    assert result.verdict is Verdict.FAIL
    assert "session 02 (T1w) looks like another patient" in result.reason


def test_the_picture_of_another_patient_is_above_its_limit_on_the_later_scans_grid(
    swapped, swapped_score
):
    heatmap = swapped_score.heatmap

    assert heatmap.of == swapped.scans[1].ref.target
    assert heatmap.values.shape == SHAPE
    assert heatmap.values.max() > 1.0


def test_a_mirrored_follow_up_fails(anatomy):
    later = scan(anatomy, 2)
    result = finding(scan(anatomy, 1), replace(later, voxels=later.voxels[::-1].copy()))

    assert result.verdict is Verdict.FAIL
    assert "left and right appear swapped" in result.reason.lower()


def test_a_copied_follow_up_fails_with_a_picture_of_what_is_repeated(anatomy):
    first = scan(anatomy, 1)
    copy = replace(first, ref=scan(anatomy, 2).ref)

    assert measured(first, copy)["equal_share"] == 1.0
    assert finding(first, copy).verdict is Verdict.FAIL
    assert score(first, copy).heatmap.values.max() == pytest.approx(2.0)


def test_a_stated_shared_background_is_not_called_a_copy(anatomy):
    first = scan(anatomy, 1)
    copy = replace(first, ref=scan(anatomy, 2, labels={"background": "shared"}).ref)

    assert "equal_share" not in measured(first, copy)
    assert finding(first, copy).verdict is Verdict.PASS


def test_times_that_go_back_fail(anatomy):
    result = finding(scan(anatomy, 1, months=6.0), scan(anatomy, 2, months=3.0))

    assert result.verdict is Verdict.FAIL
    assert "session 01 (T1w) at month 6 to session 02 (T1w) at month 3" in result.reason


def test_sessions_numbered_against_their_months_fail_in_any_order_of_the_series(anatomy):
    result = finding(scan(anatomy, 2, months=0.0), scan(anatomy, 1, months=3.0))

    assert result.verdict is Verdict.FAIL
    assert "01 (T1w) at month 3 is numbered before session 02 (T1w) at month 0" in result.reason


def test_unknown_months_are_counted_and_do_not_fail(anatomy):
    scans = [scan(anatomy, n, months=None) for n in (1, 2)]

    assert measured(*scans)["months_unknown"] == 2
    assert "growth_speed" not in measured(*scans)
    assert finding(*scans).verdict is Verdict.PASS


def test_a_lesion_that_doubles_within_three_days_fails(anatomy):
    fast = 8.0 * 2 ** (3.044 / 3 / 3)
    result = finding(
        scan(anatomy, 1, radius=8.0, months=0.0), scan(anatomy, 2, radius=fast * 1.3, months=0.1)
    )

    assert result.verdict is Verdict.FAIL
    assert "the fastest tumours known" in result.reason


def test_growth_far_from_the_stated_one_fails(anatomy):
    stated = {"labels": {"doubling_days": "60", "growth_model": "exponential"}}
    scans = [scan(anatomy, n, radius=10.0 + 0.1 * n, **stated) for n in (1, 2)]

    assert measured(*scans)["growth_deviation"] > 1
    assert finding(*scans).verdict is Verdict.FAIL


def test_a_growth_statement_that_cannot_be_compared_warns(anatomy):
    stated = {"labels": {"doubling_days": "60", "growth_model": "gompertz"}}
    result = finding(*(scan(anatomy, n, **stated) for n in (1, 2)))

    assert result.verdict is Verdict.WARN
    assert "gompertz" in result.reason


def test_a_mask_outside_the_body_fails_with_its_depth_and_picture(anatomy):
    first, later = scan(anatomy, 1), scan(anatomy, 2)
    outside = replace(later, mask=np.roll(later.mask, 14, axis=0))

    assert measured(first, outside)["mask_depth_outside"] > 7
    assert finding(first, outside).verdict is Verdict.FAIL
    assert score(first, outside).heatmap.values[outside.mask].max() > 1.0


def test_a_vanished_lesion_warns_unless_it_was_treated(anatomy):
    first, later = scan(anatomy, 1), scan(anatomy, 2)
    gone = replace(later, mask=np.zeros(SHAPE, dtype=bool))
    treated = replace(gone, ref=replace(gone.ref, labels={"treated": "radiotherapy"}))

    assert finding(first, gone).verdict is Verdict.WARN
    assert finding(first, treated).verdict is Verdict.PASS


def test_a_missing_mask_leaves_the_rest_of_the_check_standing(anatomy):
    later = replace(scan(anatomy, 2), mask=None)

    assert finding(scan(anatomy, 1), later).verdict is Verdict.PASS


def test_a_change_of_orientation_warns_and_finds_the_same_patient(anatomy):
    later = scan(anatomy, 2)
    affine = later.affine @ np.diag([-1.0, 1.0, 1.0, 1.0])
    affine[0, 3] = SPACING * (SHAPE[0] - 1)
    turned = replace(later, voxels=later.voxels[::-1].copy(), mask=later.mask[::-1], affine=affine)

    numbers = measured(scan(anatomy, 1), turned)

    assert numbers["orientation_change"] == 1
    assert numbers["identity_votes"] == 0
    assert finding(scan(anatomy, 1), turned).verdict is Verdict.WARN


def test_a_cropped_follow_up_does_not_fail(anatomy):
    later = scan(anatomy, 2)
    shift = np.eye(4)
    shift[:3, 3] = (8, 10, 10)
    cut = np.s_[8:38, 10:44, 10:40]
    crop = replace(
        later, voxels=later.voxels[cut], mask=later.mask[cut], affine=later.affine @ shift
    )

    assert not finding(scan(anatomy, 1), crop).verdict.blocks


def test_modalities_are_compared_with_their_own_kind_only(anatomy):
    inverted = np.where(anatomy > 0, 240 - anatomy, 0.0)
    scans = [
        scan(picture, n, modality=modality)
        for n in (1, 2)
        for picture, modality in ((anatomy, "T1w"), (inverted, "T2w"))
    ]

    assert finding(*scans).verdict is Verdict.PASS


def test_a_lone_scan_is_not_judged(anatomy):
    with pytest.raises(NotJudged, match="no two readable scans of one modality"):
        score(scan(anatomy, 1), scan(anatomy, 2, modality="FLAIR"))


def test_measures_are_finite_and_those_of_identity_have_messages(swapped_score):
    measures = swapped_score.measures

    assert all(np.isfinite(measure.value) for measure in measures)
    assert all(m.message for m in measures if m.name in ("identity_votes", "local_match"))


def test_the_score_is_the_same_twice(anatomy):
    scans = [scan(anatomy, 1), scan(anatomy, 2)]

    assert measured(*scans) == measured(*scans)


def test_a_lesion_elsewhere_has_moved_and_the_picture_shows_both_places(anatomy):
    first, later = scan(anatomy, 1), scan(anatomy, 2)
    moved = replace(later, mask=np.roll(later.mask, -14, axis=0))

    result = score(first, moved)

    assert next(m.value for m in result.measures if m.name == "lesion_moved") > 15
    assert judge("longitudinal", "p", result, rules=DETECTOR.rules).verdict is Verdict.FAIL


def test_a_lesion_that_turns_dark_fails(anatomy):
    later = scan(anatomy, 2)
    dark = replace(later, voxels=np.where(later.mask, 40.0, later.voxels).astype(np.float32))
    result = finding(scan(anatomy, 1), dark)

    assert result.verdict is Verdict.FAIL
    assert "brighter than its surroundings at session 01" in result.reason


def test_a_mask_that_cannot_be_used_warns_with_the_reason(anatomy):
    later = replace(scan(anatomy, 2), mask=None, mask_problem="the mask has another grid")

    assert "the mask has another grid" in finding(scan(anatomy, 1), later).reason
