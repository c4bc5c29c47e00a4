"""What the memorization check does for the gate: calibration, kinds, controls, honest refusals."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from pytest_safegen import (
    Fitted,
    NotJudged,
    Profile,
    ProfileError,
    Recalibrates,
    Scan,
    ScanTarget,
    Score,
)
from pytest_safegen.judging.calibration import limit_at
from pytest_safegen.prepare.template import Template
from pytest_safegen.testing import phantom, targets, template_of
from safegen_detectors.memorization import MemorizationDetector
from safegen_detectors.memorization.duplicates import find_duplicates
from safegen_detectors.memorization.score import CopiedRegion, MatchKind, classify
from safegen_detectors.memorization.search.index import index_from_profile
from safegen_detectors.memorization.self_test import run_self_test

REFERENCE, SOURCE, STRANGER = range(14), 3, 50
SCANS = [phantom(subject) for subject in REFERENCE]
SEEN = np.linspace(0.5, 1.5, 200)


@pytest.fixture(scope="module")
def template() -> Template:
    return template_of(SCANS)


@pytest.fixture(scope="module")
def reference(template: Template) -> list[ScanTarget]:
    return [replace(target, scan=None) for target in targets(SCANS, template)]


@pytest.fixture(scope="module")
def learned(reference: list[ScanTarget]) -> Fitted:
    return MemorizationDetector().fit(reference, seed=0)


@pytest.fixture(scope="module")
def profile(learned: Fitted) -> Profile:
    scores = np.sort(list(learned.held_out.values()))
    return Profile("memorization", "", learned.arrays, learned.facts, scores, "", len(REFERENCE))


def scored(scan: Scan, template: Template, profile: Profile) -> Score:
    (target,) = targets([scan], template)
    return MemorizationDetector().open(profile, device="cpu").score([target])[0]


def kind(score: Score) -> str:
    return next(measure.unit for measure in score.measures if measure.name == "kind")


def half(scan: Scan, host: Scan) -> Scan:
    voxels = np.where(np.arange(scan.voxels.shape[1])[:, None] < 24, scan.voxels, host.voxels)
    return replace(host, voxels=voxels.astype(np.float32))


def called(scan: Scan, subject: str) -> Scan:
    return replace(scan, ref=replace(scan.ref, subject=subject, target=subject))


def test_every_reference_patient_has_a_score_of_being_left_out(learned: Fitted) -> None:
    assert sorted(learned.held_out) == [f"sub-{n:02d}" for n in REFERENCE]


def test_a_patient_left_out_scores_as_a_stranger_does(
    learned: Fitted, template: Template, profile: Profile
) -> None:
    stranger = scored(phantom(STRANGER), template, replace(profile, calibration=np.empty(0))).value

    assert stranger is not None
    assert 0.3 < stranger / float(np.median(list(learned.held_out.values()))) < 2


def test_a_fit_gives_the_same_twice(reference: list[ScanTarget], learned: Fitted) -> None:
    assert MemorizationDetector().fit(reference, seed=0).held_out == learned.held_out


def test_the_detector_scores_a_holdout_itself(template: Template, profile: Profile) -> None:
    detector = MemorizationDetector()
    assert isinstance(detector, Recalibrates)
    holdout = targets([phantom(STRANGER), phantom(STRANGER + 1)], template)

    fitted = detector.recalibrate(profile, holdout)

    assert sorted(fitted.held_out) == ["sub-50", "sub-51"]


def test_a_holdout_patient_scores_at_least_as_high_as_a_synthetic_scan_would(
    template: Template, profile: Profile
) -> None:
    (target,) = targets([phantom(STRANGER)], template)
    plain = replace(profile, calibration=np.empty(0))

    fitted = MemorizationDetector().recalibrate(profile, [target])

    value = scored(phantom(STRANGER), template, plain).value
    assert value is not None
    assert fitted.held_out["sub-50"] >= value - 1e-6


def test_a_holdout_patient_who_is_in_the_reference_is_refused(
    template: Template, profile: Profile
) -> None:
    holdout = targets([called(phantom(SOURCE, session=1), "sub-90")], template)

    with pytest.raises(ProfileError, match="sub-90 is sub-03"):
        MemorizationDetector().recalibrate(profile, holdout)


def test_a_copy_is_above_the_limit(template: Template, profile: Profile) -> None:
    value = scored(phantom(SOURCE), template, profile).value

    assert value is not None
    assert value > limit_at(profile.calibration, 0.01).value


@pytest.mark.parametrize(
    ("subject", "expected"), [(SOURCE, "COPY"), (STRANGER, "PASS")], ids=["copy", "stranger"]
)
def test_the_kind_is_a_measure(
    subject: int, expected: str, template: Template, profile: Profile
) -> None:
    assert kind(scored(phantom(subject), template, profile)) == expected


@pytest.mark.parametrize(
    ("value", "share", "correlation", "expected"),
    [
        (1.0, 0.0, 0.3, MatchKind.PASS),
        (1.47, 0.0, 0.3, MatchKind.SUSPECT),
        (9.0, 0.9, 0.5, MatchKind.LINKED),
        (9.0, 0.9, 0.95, MatchKind.LINKED),
        (9.0, 0.9, 0.99, MatchKind.COPY),
        (9.0, 0.1, 0.5, MatchKind.COPY),
    ],
)
def test_kinds(
    value: float, share: float, correlation: float, expected: MatchKind, profile: Profile
) -> None:
    where = CopiedRegion(np.zeros((1, 1, 1), np.float32), share, correlation, None)

    assert classify(value, where, replace(profile, calibration=SEEN)) is expected


def test_the_sentence_on_a_copy_says_so(template: Template, profile: Profile) -> None:
    message = scored(phantom(SOURCE), template, profile).message

    assert "of the scan looks like a copy of the reference patient sub-03" in message


def test_a_salted_profile_holds_no_name(reference: list[ScanTarget]) -> None:
    facts = MemorizationDetector(salt="secret").fit(reference, seed=0).facts

    assert "sub-" not in str(facts)


def test_the_controls_of_a_sound_profile_are_judged_rightly(profile: Profile) -> None:
    assert run_self_test(index_from_profile(profile, "cpu"), profile) == ""


def test_a_profile_whose_descriptors_are_noise_fails_its_controls(profile: Profile) -> None:
    noise = np.random.default_rng(0).normal(size=profile.arrays["descriptors"].shape)
    broken = replace(profile, arrays={**profile.arrays, "descriptors": noise.astype(np.float16)})
    index = index_from_profile(broken, "cpu")
    blank = replace(index, descriptors=index.descriptors * 0)

    assert "planted copy" in run_self_test(blank, broken)


def test_with_a_limit_below_unseen_patients_the_control_fails(
    template: Template, profile: Profile
) -> None:
    sharp = replace(profile, calibration=np.linspace(0.0, 0.01, 200))

    with pytest.raises(NotJudged, match="self-test of this run failed"):
        scored(phantom(STRANGER), template, sharp)


def test_another_body_part_is_not_passed(template: Template, profile: Profile) -> None:
    scan = phantom(STRANGER)
    noise = np.random.default_rng(0).normal(100, 30, scan.voxels.shape)
    other = replace(scan, voxels=np.where(scan.voxels > 0, noise, 0).astype(np.float32))
    strict = replace(profile, facts={**profile.facts, "typical": 0.9})

    with pytest.raises(NotJudged, match="looks like nobody in the reference"):
        scored(other, template, strict)


def test_a_scan_that_shows_less_than_half_is_not_passed(
    template: Template, profile: Profile
) -> None:
    (target,) = targets([phantom(STRANGER)], template)
    assert target.prepared is not None
    body = target.prepared.body.copy()
    body[:, 16:] = False
    part = replace(target, prepared=replace(target.prepared, body=body), own=None)

    with pytest.raises(NotJudged, match="of the tissue that the reference scans share"):
        MemorizationDetector().open(profile, device="cpu").score([part])


def found(scans: Sequence[Scan], template: Template, profile: Profile) -> set[frozenset[str]]:
    pairs = find_duplicates(targets(scans, template), profile)
    return {frozenset(pair.subjects) for pair in pairs}


STRANGERS = [phantom(subject) for subject in range(60, 68)]


def test_a_release_of_different_people_has_no_duplicates(
    template: Template, profile: Profile
) -> None:
    assert not found(STRANGERS, template, profile)


def test_the_same_scan_three_times_is_one_group(template: Template, profile: Profile) -> None:
    twins = [called(phantom(60, session=n), f"twin-{n}") for n in (1, 2)]

    groups = found([*STRANGERS, *twins], template, profile)

    assert groups == {frozenset({"sub-60", "twin-1", "twin-2"})}


def test_half_of_a_scan_in_another_is_a_duplicate(template: Template, profile: Profile) -> None:
    mixed = called(half(phantom(60), phantom(80)), "mixed")

    assert found([*STRANGERS, mixed], template, profile) == {frozenset({"sub-60", "mixed"})}


def test_a_series_of_one_subject_is_no_duplicate(template: Template, profile: Profile) -> None:
    assert not found([*STRANGERS, phantom(60, session=1)], template, profile)


def test_a_copy_in_another_release_is_found(template: Template, profile: Profile) -> None:
    other = targets([called(phantom(61, session=1), "new"), phantom(90)], template)

    pairs = find_duplicates(targets(STRANGERS, template), profile, other=other)

    assert [set(pair.subjects) for pair in pairs] == [{"new", "sub-61"}]
