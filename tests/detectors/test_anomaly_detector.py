"""The anomaly check on phantoms: what it must find, where, and what it must leave alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from anomaly_gate import (
    REFERENCE,
    UNSEEN,
    Gate,
    detector_of,
    gate,
    prepared,
    profile_of,
    references,
)

from pytest_safegen import NotJudged, Scan, ScanTarget, Score, UsageProblem
from pytest_safegen.config.hookspecs import Recalibrates
from pytest_safegen.prepare.canonical import canonical
from pytest_safegen.prepare.template import align
from pytest_safegen.profiles.io import load_profiles, save_profiles
from pytest_safegen.profiles.model import Bundle, ProfileSet
from pytest_safegen.testing import (
    check_detector,
    phantom,
    targets,
    with_gap,
    with_noise_ball,
)
from safegen_detectors.anomaly import AnomalyDetector

pytestmark = pytest.mark.slow

QUICKEST = ("atlas", "image-quality")
FAULTS = {"noise": with_noise_ball, "gap": with_gap}
RADIUS = 16.0
SEED = 0


@cache
def highest_clean(*methods: str) -> float:
    return max(gate(*methods).value(phantom(subject)) for subject in UNSEEN)


def quickest(*methods: str) -> AnomalyDetector:
    """The check with a network that has hardly begun to learn, for what needs no finding."""
    options = {"steps": 2, "volumes": 4, "validated": 1}
    chosen = detector_of(*methods)
    return replace(chosen, options=dict.fromkeys(chosen.options, options))


def heatmap(score: Score) -> np.ndarray:
    assert score.heatmap is not None
    return score.heatmap.values


def measure(score: Score, name: str) -> float:
    return next(one.value for one in score.measures if one.name == name)


def peak(score: Score) -> tuple[int, ...]:
    values = heatmap(score)
    return tuple(int(n) for n in np.unravel_index(int(values.argmax()), values.shape))


def noise_like(scan: Scan) -> Scan:
    """Noise in the outline of a head."""
    noise = np.random.default_rng(0).normal(100, 30, scan.voxels.shape) * (scan.voxels > 0)
    return replace(scan, voxels=noise.astype(np.float32))


def upside_down(scan: Scan) -> Scan:
    return replace(scan, voxels=np.ascontiguousarray(scan.voxels[:, :, ::-1]))


# the contract


@pytest.mark.parametrize("methods", [(), QUICKEST], ids=["default", "quickest"])
def test_the_detector_keeps_the_contract(methods: tuple[str, ...]) -> None:
    check_detector(quickest(*methods), subjects=4)


def test_the_detector_recalibrates() -> None:
    assert isinstance(AnomalyDetector(), Recalibrates)


@pytest.mark.parametrize("name", ["atlas", "image-quality", "artefact-segmentation"])
def test_each_method_alone_makes_a_check(name: str) -> None:
    detector = quickest(name)
    fitted = detector.fit(references(range(4)), seed=SEED)

    (score,) = detector.open(profile_of(fitted), device="cpu").score([prepared(50)])

    assert score.value is not None
    assert np.isfinite(score.value)
    assert {m.name.partition(".")[0] for m in score.measures if m.unit == "tail units"} == {name}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("autoencoder", {"channels": (4, 4, 4, 4, 4), "latent": 4, "steps": 2}),
        ("diffusion", {"steps": 1, "batch": 1, "draws": 1, "likelihood_levels": (100,)}),
    ],
)
def test_a_method_without_features_alone_makes_a_check(
    name: str, options: dict[str, object]
) -> None:
    detector = replace(detector_of(), methods=(name,), options={name: options})
    fitted = detector.fit(references(range(4)), seed=SEED)

    (score,) = detector.open(profile_of(fitted), device="cpu").score([prepared(50)])

    assert score.value is not None
    assert np.isfinite(score.value)
    assert heatmap(score).shape == phantom(50).voxels.shape
    assert score.message


@pytest.mark.parametrize(
    ("methods", "options", "said"),
    [
        (("atlas", "magic"), {}, "magic"),
        ((), {}, "empty"),
        (("atlas",), {"atlas": {"magic": 1}}, "does not take"),
    ],
)
def test_an_unknown_method_or_option_is_refused(
    methods: tuple[str, ...], options: dict[str, dict[str, int]], said: str
) -> None:
    with pytest.raises(UsageProblem, match=said):
        AnomalyDetector(methods, options).fit(references(range(3)), seed=SEED)


def test_without_real_scans_nothing_is_judged() -> None:
    with pytest.raises(NotJudged, match="needs a profile"):
        AnomalyDetector().open(None, device="cpu").score([prepared(50)])


# fitting


def test_every_reference_patient_has_a_score_that_it_had_no_part_in() -> None:
    held_out = gate().fitted.held_out

    assert list(held_out) == [f"sub-{n:02d}" for n in range(REFERENCE)]
    assert np.isfinite(list(held_out.values())).all()


def test_the_same_seed_learns_the_same() -> None:
    one, other = (quickest().fit(references(range(4)), seed=SEED) for _ in range(2))

    assert one.held_out == other.held_out
    assert one.facts == other.facts
    assert all(np.array_equal(a, other.arrays[name]) for name, a in one.arrays.items())


def test_unseen_clean_scans_score_about_like_held_out_ones() -> None:
    held_out = list(gate(*QUICKEST).fitted.held_out.values())
    spread = float(np.ptp(held_out))

    assert highest_clean(*QUICKEST) < max(held_out) + spread


def test_a_profile_gives_the_same_score_after_it_was_saved(tmp_path: Path) -> None:
    known = gate()
    bundle = Bundle(known.template, {"anomaly": known.profile})
    save_profiles(ProfileSet("d", {"T1w": bundle}, {}), tmp_path / "one.safegen")
    loaded = load_profiles(tmp_path / "one.safegen", {"anomaly": known.detector}).bundles["T1w"]
    target = prepared(50)

    one, other = (
        known.detector.open(profile, device="cpu").score([target])[0]
        for profile in (known.profile, loaded.profiles["anomaly"])
    )

    assert one.value == other.value
    assert one.message == other.message
    np.testing.assert_array_equal(heatmap(one), heatmap(other))


# recalibrating


def test_a_holdout_sets_the_scales_and_the_scores() -> None:
    known = gate(*QUICKEST)
    holdout = references(range(20, 30))

    found = known.detector.recalibrate(known.profile, holdout)

    assert list(found.held_out) == [f"sub-{n}" for n in range(20, 30)]
    assert found.facts["scales"] != known.profile.facts["scales"]
    assert found.facts["likeness"] != known.profile.facts["likeness"]
    assert found.facts["methods"] == known.profile.facts["methods"]
    assert -3 < np.median(list(found.held_out.values())) < 3


@pytest.mark.parametrize("count", [1, 2])
def test_a_holdout_of_few_scans_is_scored_on_the_scales_of_the_reference(count: int) -> None:
    known = gate(*QUICKEST)
    subjects = list(UNSEEN)[:count]

    found = known.detector.recalibrate(known.profile, references(subjects))

    assert found.facts == known.profile.facts
    expected = [known.value(phantom(subject)) for subject in subjects]
    assert list(found.held_out.values()) == pytest.approx(expected)


# finding


@pytest.mark.parametrize("methods", [(), ("atlas",)], ids=["default", "atlas"])
@pytest.mark.parametrize("fault", FAULTS)
def test_an_obvious_fault_scores_above_every_clean_scan(
    methods: tuple[str, ...], fault: str
) -> None:
    corrupted, _ = FAULTS[fault](phantom(50), radius=RADIUS)

    assert gate(*methods).value(corrupted) > highest_clean(*methods) + 5


def test_noise_over_the_whole_scan_scores_above_every_clean_scan() -> None:
    scan = phantom(52)
    noise = np.random.default_rng(0).normal(0, 10, scan.voxels.shape) * (scan.voxels > 0)

    corrupted = replace(scan, voxels=scan.voxels + noise.astype(np.float32))

    assert gate("image-quality").value(corrupted) > highest_clean("image-quality") + 5


def test_a_larger_ball_of_noise_scores_higher() -> None:
    values = [
        gate("atlas").value(with_noise_ball(phantom(50), radius=r)[0]) for r in (0, 4, 8, 12, 16)
    ]

    assert values == sorted(values)


@pytest.mark.parametrize(
    ("methods", "fault", "radius"),
    [(("atlas",), "gap", RADIUS), (("atlas",), "noise", RADIUS), ((), "noise", 24.0)],
    ids=["atlas finds a gap", "atlas finds noise", "a network that learned little finds much"],
)
def test_the_worst_place_is_told_in_millimetres_of_the_scan(
    methods: tuple[str, ...], fault: str, radius: float
) -> None:
    corrupted, where = FAULTS[fault](phantom(51), radius=radius)

    score = gate(*methods).score(corrupted)

    place = np.array([measure(score, f"worst_{axis}") for axis in "xyz"])
    middle = (corrupted.affine @ [*np.argwhere(where).mean(0), 1])[:3]
    assert np.linalg.norm(place - middle) <= radius
    assert where[peak(score)]
    assert measure(score, "worst_volume") > 0


def test_the_map_reaches_the_limit_of_the_outline_in_a_fault() -> None:
    corrupted, where = with_noise_ball(phantom(51), radius=12)

    assert heatmap(gate("atlas").score(corrupted))[where].max() > 1


def test_the_map_lies_on_the_scans_own_grid_whatever_its_orientation() -> None:
    corrupted, where = with_noise_ball(phantom(51), radius=12)
    turned = replace(
        corrupted,
        voxels=np.ascontiguousarray(corrupted.voxels.transpose(2, 0, 1)[::-1]),
        affine=corrupted.affine @ turn_back(corrupted.voxels.shape),
    )

    score = gate("atlas").score(turned)

    assert where.transpose(2, 0, 1)[::-1][peak(score)]


def turn_back(shape: tuple[int, ...]) -> np.ndarray:
    """From voxels of the axes (k reversed, i, j) to voxels of (i, j, k)."""
    step = np.zeros((4, 4))
    step[0, 1] = step[1, 2] = step[3, 3] = 1
    step[2, 0], step[2, 3] = -1, shape[2] - 1
    return step


def test_the_unit_of_the_voxels_does_not_matter() -> None:
    scan, known = phantom(52), gate("atlas")

    scaled = replace(scan, voxels=7 * scan.voxels)

    assert known.value(scaled) == pytest.approx(known.value(scan), abs=0.1)


# annotated pathology


def stated(radius: float = 12) -> tuple[Scan, Scan, np.ndarray]:
    """A scan with a ball of noise, the same with the ball stated, and the ball."""
    corrupted, where = with_noise_ball(phantom(53), radius=radius)
    return corrupted, replace(corrupted, mask=where), where


def test_stated_pathology_is_not_judged() -> None:
    _, spared, where = stated()

    assert heatmap(gate().score(spared))[where].max() == 0


def test_a_fault_in_stated_pathology_scores_far_less() -> None:
    corrupted, spared, _ = stated()

    assert gate("atlas").value(spared) < gate("atlas").value(corrupted) / 4


def test_a_fault_outside_the_stated_pathology_is_still_found() -> None:
    corrupted, _, where = stated()
    elsewhere = np.roll(where, 10, axis=1)

    assert gate("atlas").value(replace(corrupted, mask=elsewhere)) > highest_clean("atlas") + 5


def test_the_share_left_out_is_measured() -> None:
    _, spared, _ = stated(20)

    shares = [
        measure(gate("atlas").score(scan), "excluded_share")
        for scan in (replace(spared, mask=None), spared)
    ]

    assert shares[0] == 0 < shares[1] < 1


def test_an_empty_mask_changes_nothing() -> None:
    scan, known = phantom(53), gate("atlas")

    masked = replace(scan, mask=np.zeros(scan.voxels.shape, dtype=bool))

    assert known.value(masked) == known.value(scan)


def test_a_mask_over_everything_is_not_judged() -> None:
    scan = phantom(53)

    with pytest.raises(NotJudged, match="annotated pathology covers everything"):
        gate().score(replace(scan, mask=np.ones(scan.voxels.shape, dtype=bool)))


# what cannot be judged


@pytest.mark.parametrize("change", [noise_like, upside_down])
def test_a_scan_of_something_else_is_not_judged(change: Callable[[Scan], Scan]) -> None:
    known = gate("atlas")
    # Phantoms are less alike than patients are: the likeness is one between the two.
    facts = {**known.profile.facts, "likeness": {"middle": 1.0, "spread": 0.08}}
    profile = replace(known.profile, facts=facts)

    assert known.detector.open(profile, device="cpu").score([prepared(50)])
    with pytest.raises(NotJudged, match="does not fit this scan"):
        known.detector.open(profile, device="cpu").score([known.target(change(phantom(50)))])


def test_a_scan_that_is_not_prepared_is_not_judged_for_the_reason_given() -> None:
    known = gate()
    target = replace(prepared(53), prepared=None, own=None, unprepared="it is upside down")

    with pytest.raises(NotJudged, match="it is upside down"):
        known.detector.open(known.profile, device="cpu").score([target])


def with_values(change: Callable[[np.ndarray], np.ndarray]) -> Scan:
    scan = phantom(50)
    return replace(scan, voxels=change(scan.voxels.copy()).astype(np.float32))


def one_not_a_number(voxels: np.ndarray) -> np.ndarray:
    voxels[20, 20, 20] = np.nan
    return voxels


SICK: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "not a number": one_not_a_number,
    "infinite": lambda v: np.where(v > 0, np.inf, v),
    "constant": lambda v: np.full_like(v, 3),
    "one voxel": lambda v: v[:1, :1, :1],
    "tiny": lambda v: v[18:22, 22:26, 18:22],
    "a slice": lambda v: v[:, :, 20:21],
    "huge numbers": lambda v: v * 1e30,
    "tiny numbers": lambda v: v * 1e-30,
    "negative": lambda v: -v,
    "one bright voxel": lambda v: np.where(np.arange(v.size).reshape(v.shape) == 38420, 1e6, 0 * v),
    "half a head": lambda v: v[:20],
    "large": lambda v: np.pad(v, 30),
}


def said_of(scan: Scan) -> Score | str:
    """The score of a scan, or why there is none."""
    known = gate()
    try:
        own = canonical(scan, known.template.options)
        target = ScanTarget(scan.ref, scan, align(own, known.template), own)
        return known.detector.open(known.profile, device="cpu").score([target])[0]
    except NotJudged as problem:
        return str(problem)


@pytest.mark.parametrize("name", SICK)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_sick_scan_gets_a_number_or_a_sentence(name: str) -> None:
    scan = with_values(SICK[name])

    score = said_of(scan)

    if isinstance(score, str):
        assert score
        return
    numbers = [m.value for m in score.measures]
    assert score.value is not None
    assert np.isfinite([score.value, *numbers]).all()
    assert np.isfinite(heatmap(score)).all()
    assert heatmap(score).shape == scan.voxels.shape
    assert score.message


def test_scans_are_scored_alike_in_any_company() -> None:
    known: Gate = gate()
    corrupted, _ = with_noise_ball(phantom(51), radius=RADIUS)
    several = targets([corrupted, phantom(50)], known.template)

    together = known.detector.open(known.profile, device="cpu").score(several)

    assert [score.value for score in together] == [known.value(corrupted), known.value(phantom(50))]


@pytest.mark.parametrize("subject", range(50, 56))
def test_ten_patients_are_enough_not_to_fail_another_for_its_quality(subject: int) -> None:
    found = gate("image-quality")

    assert found.value(phantom(subject)) < max(found.fitted.held_out.values())
