"""The memorization check on phantoms: who must be recognised, and who must not."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
from scipy import ndimage

from pytest_safegen import LeavesOut, NotJudged, Profile, Scan, ScanTarget, Score
from pytest_safegen.prepare.template import Template
from pytest_safegen.testing import check_detector, phantom, targets, template_of
from safegen_detectors.memorization import MemorizationDetector

pytestmark = pytest.mark.slow

REFERENCE, UNSEEN = range(12), range(50, 56)
DETECTOR = MemorizationDetector()
SOURCE = 3


def fitted(reference: list[ScanTarget]) -> Profile:
    known = [replace(target, scan=None) for target in reference]
    learned = DETECTOR.fit(known, seed=0)
    return Profile(
        "memorization", "", learned.arrays, learned.facts, np.empty(0), "", len(reference)
    )


@dataclass(frozen=True)
class Cohort:
    """Phantoms on their template, and what the detector learned from them."""

    template: Template
    reference: list[ScanTarget]
    profile: Profile

    def target(self, scan: Scan) -> ScanTarget:
        return targets([scan], self.template)[0]

    def score(self, scan: Scan, profile: Profile | None = None) -> Score:
        target = self.target(scan)
        return DETECTOR.open(profile or self.profile, device="cpu").score([target])[0]

    def value(self, scan: Scan, profile: Profile | None = None) -> float:
        value = self.score(scan, profile).value
        assert value is not None
        return value


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    scans = [phantom(subject) for subject in REFERENCE]
    template = template_of(scans)
    reference = targets(scans, template)
    return Cohort(template, reference, fitted(reference))


@pytest.fixture(scope="module")
def highest_unseen(cohort: Cohort) -> float:
    return max(cohort.value(phantom(subject)) for subject in UNSEEN)


def called(scan: Scan, subject: str) -> Scan:
    return replace(scan, ref=replace(scan.ref, subject=subject))


def with_voxels(scan: Scan, voxels: np.ndarray) -> Scan:
    return replace(scan, voxels=np.ascontiguousarray(voxels, dtype=np.float32))


def noisy(scan: Scan) -> Scan:
    noise = np.random.default_rng(0).normal(0, 3, scan.voxels.shape)
    return with_voxels(scan, scan.voxels + noise * (scan.voxels > 0))


def blurred(scan: Scan) -> Scan:
    return with_voxels(scan, ndimage.gaussian_filter(scan.voxels, 0.6))


def mirrored(scan: Scan) -> Scan:
    return with_voxels(scan, scan.voxels[::-1])


def inverted(scan: Scan) -> Scan:
    return with_voxels(scan, np.where(scan.voxels > 0, 200 - scan.voxels, 0))


def curved(scan: Scan) -> Scan:
    return with_voxels(scan, scan.voxels**1.5)


def shifted(scan: Scan) -> Scan:
    return with_voxels(scan, np.roll(scan.voxels, (2, -1), (0, 1)))


def rotated(scan: Scan, *, degrees: float) -> Scan:
    return with_voxels(scan, ndimage.rotate(scan.voxels, degrees, reshape=False, order=1))


def half_from(scan: Scan, host: Scan) -> Scan:
    """The lower half along i from one scan, the upper half from another."""
    first = np.arange(scan.voxels.shape[0])[:, None, None] < scan.voxels.shape[0] // 2
    return with_voxels(scan, np.where(first, scan.voxels, host.voxels))


DISTURBANCES: dict[str, Callable[[Scan], Scan]] = {
    "exact": lambda scan: scan,
    "noise": noisy,
    "blur": blurred,
    "mirrored": mirrored,
    "inverted": inverted,
    "contrast": curved,
    "shifted": shifted,
    "rotated": partial(rotated, degrees=5),
    "half": lambda scan: half_from(scan, phantom(60)),
}


def test_the_detector_keeps_the_contract() -> None:
    check_detector(DETECTOR)


def test_the_detector_can_leave_patients_out() -> None:
    assert isinstance(DETECTOR, LeavesOut)


@pytest.mark.parametrize("disturbance", DISTURBANCES)
def test_a_copy_scores_above_every_unseen_patient(
    cohort: Cohort, highest_unseen: float, disturbance: str
) -> None:
    copy = DISTURBANCES[disturbance](phantom(SOURCE))

    assert cohort.value(copy) > 1.5 * highest_unseen


@pytest.mark.parametrize("disturbance", DISTURBANCES)
def test_the_patient_who_was_copied_is_named(cohort: Cohort, disturbance: str) -> None:
    copy = DISTURBANCES[disturbance](phantom(SOURCE))

    assert cohort.score(copy).nearest == f"sub-{SOURCE:02d}"


@pytest.mark.parametrize("subject", REFERENCE)
def test_every_reference_patient_is_recognised(cohort: Cohort, subject: int) -> None:
    assert cohort.score(phantom(subject)).nearest == f"sub-{subject:02d}"


def test_more_noise_lowers_the_score(cohort: Cohort) -> None:
    grain = np.random.default_rng(1).normal(0, 1, phantom(SOURCE).voxels.shape)
    copies = [with_voxels(phantom(SOURCE), phantom(SOURCE).voxels + n * grain) for n in (1, 4, 16)]

    values = [cohort.value(copy) for copy in copies]

    assert values == sorted(values, reverse=True)


def test_a_copied_half_is_hotter_than_the_other_half(cohort: Cohort) -> None:
    score = cohort.score(half_from(phantom(SOURCE), phantom(60)))

    assert score.heatmap is not None
    values, body = score.heatmap.values, phantom(SOURCE).voxels > 0
    middle = values.shape[0] // 2
    copied, other = (values[part][body[part]].mean() for part in (np.s_[:middle], np.s_[middle:]))
    assert copied > 1.5 * other


def test_most_of_a_copied_half_is_outlined(cohort: Cohort) -> None:
    score = cohort.score(half_from(phantom(SOURCE), phantom(60)))

    assert score.heatmap is not None
    core = score.heatmap.values[10:16, 16:32, 14:26]
    assert (core >= 1).mean() > 0.9


def test_the_heatmap_of_a_mirrored_copy_is_hot_where_the_copy_is(cohort: Cohort) -> None:
    mixed = half_from(mirrored(phantom(SOURCE)), phantom(60))

    score = cohort.score(mixed)

    assert score.heatmap is not None
    middle = mixed.voxels.shape[0] // 2
    assert score.heatmap.values[:middle].mean() > 1.5 * score.heatmap.values[middle:].mean()


def test_the_heatmap_lies_on_the_scans_own_grid(cohort: Cohort) -> None:
    scan = phantom(SOURCE)

    score = cohort.score(scan)

    assert score.heatmap is not None
    np.testing.assert_array_equal(score.heatmap.affine, scan.affine)
    assert score.heatmap.values.shape == scan.voxels.shape


def test_an_exact_copy_is_copied_entirely(cohort: Cohort) -> None:
    measures = {one.name: one.value for one in cohort.score(phantom(SOURCE)).measures}

    assert measures["copied_share"] == 1.0


@pytest.mark.parametrize(
    ("disturbance", "text"),
    [("mirrored", "mirrored left-right"), ("inverted", "with inverted contrast")],
)
def test_the_message_says_how_a_copy_was_changed(
    cohort: Cohort, disturbance: str, text: str
) -> None:
    score = cohort.score(DISTURBANCES[disturbance](phantom(SOURCE)))

    assert f"training patient sub-{SOURCE:02d}, {text}" in score.message


def test_two_scans_of_one_patient_do_not_hide_each_other(
    cohort: Cohort, highest_unseen: float
) -> None:
    again = cohort.target(phantom(SOURCE, session=1))
    profile = fitted([*cohort.reference, again])

    assert cohort.value(phantom(SOURCE, session=2), profile) > 1.5 * highest_unseen


@pytest.fixture(scope="module")
def twice_named(cohort: Cohort) -> Profile:
    """Learned from a reference where one person is in under a second name."""
    again = called(phantom(SOURCE, session=1), "sub-99")
    return fitted([*cohort.reference, cohort.target(again)])


def test_a_person_under_two_names_is_still_found(
    cohort: Cohort, twice_named: Profile, highest_unseen: float
) -> None:
    assert cohort.value(phantom(SOURCE, session=2), twice_named) > 1.5 * highest_unseen


def test_a_person_under_two_names_is_named_by_both(cohort: Cohort, twice_named: Profile) -> None:
    score = cohort.score(phantom(SOURCE, session=2), twice_named)

    assert score.nearest == f"sub-{SOURCE:02d} = sub-99"


def test_people_who_are_not_alike_keep_their_own_names(cohort: Cohort) -> None:
    assert len(set(cohort.profile.facts["persons"])) == len(REFERENCE)


def test_a_patient_left_out_is_unknown(cohort: Cohort, highest_unseen: float) -> None:
    profile = DETECTOR.without(cohort.profile, f"sub-{SOURCE:02d}")

    assert cohort.value(phantom(SOURCE), profile) < 2 * highest_unseen


def test_leaving_one_patient_out_keeps_the_others(cohort: Cohort) -> None:
    profile = DETECTOR.without(cohort.profile, f"sub-{SOURCE:02d}")

    assert cohort.score(phantom(SOURCE + 1), profile).nearest == f"sub-{SOURCE + 1:02d}"


def test_a_person_under_two_names_is_left_out_entirely(
    cohort: Cohort, twice_named: Profile, highest_unseen: float
) -> None:
    profile = DETECTOR.without(twice_named, "sub-99")

    assert cohort.value(phantom(SOURCE, session=2), profile) < 2 * highest_unseen


def test_leaving_out_somebody_unknown_changes_nothing(cohort: Cohort) -> None:
    profile = DETECTOR.without(cohort.profile, "sub-77")

    assert profile.facts["subjects"] == cohort.profile.facts["subjects"]


@pytest.mark.parametrize("people", [1, 2])
def test_too_few_people_to_tell_one_from_another_are_not_judged(
    cohort: Cohort, people: int
) -> None:
    scans = [called(phantom(n % people, session=n), f"sub-{n:02d}") for n in range(4)]

    with pytest.raises(NotJudged, match=r"person|people|patient"):
        cohort.score(phantom(SOURCE), fitted(targets(scans, cohort.template)))


def test_a_reference_that_shares_no_body_is_not_judged(cohort: Cohort) -> None:
    bare = [
        replace(target, prepared=replace(target.prepared, body=np.zeros_like(target.prepared.body)))
        for target in cohort.reference
        if target.prepared is not None
    ]

    with pytest.raises(NotJudged, match="too little body"):
        fitted(bare)


def test_a_scan_that_is_not_prepared_is_not_judged_for_the_reason_given(cohort: Cohort) -> None:
    target = replace(cohort.target(phantom(50)), prepared=None, unprepared="it is upside down")

    with pytest.raises(NotJudged, match="it is upside down"):
        DETECTOR.open(cohort.profile, device="cpu").score([target])


def test_without_real_scans_nothing_is_judged(cohort: Cohort) -> None:
    with pytest.raises(NotJudged, match="needs a profile"):
        DETECTOR.open(None, device="cpu").score([cohort.target(phantom(50))])
