"""The anomaly check on phantoms: what it must find, where, and what it must leave alone."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from pytest_safegen import NotJudged, Profile, Scan, ScanTarget, Score
from pytest_safegen.prepare import Template
from pytest_safegen.testing import (
    check_detector,
    phantom,
    targets,
    template_of,
    with_gap,
    with_noise_ball,
)
from safegen_detectors.anomaly import AnomalyDetector

REFERENCE, UNSEEN = range(12), range(50, 54)
DETECTOR = AnomalyDetector()
FAULTS = {"noise": with_noise_ball, "gap": with_gap}


@dataclass(frozen=True)
class Gate:
    """A detector that learned from phantoms."""

    template: Template
    profile: Profile

    def target(self, scan: Scan) -> ScanTarget:
        return targets([scan], self.template)[0]

    def score(self, scan: Scan) -> Score:
        return DETECTOR.score([self.target(scan)], self.profile, device="cpu")[0]

    def value(self, scan: Scan) -> float:
        value = self.score(scan).value
        assert value is not None
        return value


@pytest.fixture(scope="module")
def gate() -> Gate:
    scans = [phantom(subject) for subject in REFERENCE]
    template = template_of(scans)
    reference = [replace(target, scan=None) for target in targets(scans, template)]
    fitted = DETECTOR.fit(reference, seed=0)
    profile = Profile("anomaly", "", fitted.arrays, fitted.facts, np.empty(0), "", len(reference))
    return Gate(template, profile)


@pytest.fixture(scope="module")
def highest_clean(gate: Gate) -> float:
    return max(gate.value(phantom(subject)) for subject in UNSEEN)


def heatmap(score: Score) -> np.ndarray:
    assert score.heatmap is not None
    return score.heatmap.values


def measure(score: Score, name: str) -> float:
    return next(one.value for one in score.measures if one.name == name)


def peak(score: Score) -> tuple[int, ...]:
    values = heatmap(score)
    return tuple(int(n) for n in np.unravel_index(int(values.argmax()), values.shape))


def test_the_detector_keeps_the_contract() -> None:
    check_detector(DETECTOR)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_centimetre_scores_higher_than_every_clean_scan(
    gate: Gate, highest_clean: float, fault: str
) -> None:
    spoiled, _ = FAULTS[fault](phantom(50), radius=10)

    assert gate.value(spoiled) > 2 * highest_clean


def test_a_larger_ball_of_noise_scores_higher(gate: Gate) -> None:
    values = [gate.value(with_noise_ball(phantom(50), radius=r)[0]) for r in (0, 4, 8, 12, 16, 24)]

    assert values == sorted(values)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("radius", [8, 16])
def test_the_heatmap_is_highest_inside_the_fault(gate: Gate, fault: str, radius: float) -> None:
    spoiled, where = FAULTS[fault](phantom(51), radius=radius)

    assert where[peak(gate.score(spoiled))]


def test_the_heatmap_reaches_the_voxel_limit_in_a_fault(gate: Gate) -> None:
    spoiled, where = with_noise_ball(phantom(51), radius=12)

    assert heatmap(gate.score(spoiled))[where].max() > 1


def test_the_worst_place_is_told_in_millimetres_of_the_scan(gate: Gate) -> None:
    spoiled, where = with_noise_ball(phantom(51), radius=12)

    score = gate.score(spoiled)

    place = np.array([measure(score, f"worst_{axis}") for axis in "xyz"])
    middle = (spoiled.affine @ [*np.argwhere(where).mean(0), 1])[:3]
    assert np.linalg.norm(place - middle) <= 12


def test_the_sentence_names_the_kind_of_departure_and_the_place(gate: Gate) -> None:
    spoiled, _ = with_noise_ball(phantom(51), radius=12)

    says = gate.score(spoiled).says

    assert "looks like no real scan" in says
    assert "mm" in says


def test_the_heatmap_lies_on_the_scans_own_grid_whatever_its_orientation(gate: Gate) -> None:
    spoiled, where = with_noise_ball(phantom(51), radius=12)
    turned = replace(
        spoiled,
        voxels=np.ascontiguousarray(spoiled.voxels.transpose(2, 0, 1)[::-1]),
        affine=spoiled.affine @ turn_back(spoiled.voxels.shape),
    )

    score = gate.score(turned)

    assert where.transpose(2, 0, 1)[::-1][peak(score)]


def turn_back(shape: tuple[int, ...]) -> np.ndarray:
    """From voxels of the axes (k reversed, i, j) to voxels of (i, j, k)."""
    step = np.zeros((4, 4))
    step[0, 1] = step[1, 2] = step[3, 3] = 1
    step[2, 0], step[2, 3] = -1, shape[2] - 1
    return step


def test_the_unit_of_the_voxels_does_not_matter(gate: Gate) -> None:
    scan = phantom(52)

    scaled = replace(scan, voxels=7 * scan.voxels)

    assert gate.value(scaled) == pytest.approx(gate.value(scan), abs=0.05)


def test_noise_over_the_whole_scan_scores_higher_than_every_clean_scan(
    gate: Gate, highest_clean: float
) -> None:
    scan = phantom(52)
    noise = np.random.default_rng(0).normal(0, 10, scan.voxels.shape) * (scan.voxels > 0)

    assert gate.value(replace(scan, voxels=scan.voxels + noise)) > 2 * highest_clean


def test_stated_pathology_is_not_judged(gate: Gate) -> None:
    spoiled, where = with_noise_ball(phantom(53), radius=12)

    score = gate.score(replace(spoiled, mask=where))

    assert heatmap(score)[where].max() == 0


def test_a_fault_in_stated_pathology_scores_about_like_a_clean_scan(
    gate: Gate, highest_clean: float
) -> None:
    spoiled, where = with_noise_ball(phantom(53), radius=12)

    score = gate.score(replace(spoiled, mask=where))

    assert score.value is not None
    assert score.value < gate.value(spoiled) / 4


def test_a_fault_outside_the_stated_pathology_is_still_found(
    gate: Gate, highest_clean: float
) -> None:
    spoiled, where = with_noise_ball(phantom(53), radius=12)
    elsewhere = np.roll(where, 10, axis=1)

    assert gate.value(replace(spoiled, mask=elsewhere)) > 2 * highest_clean


def test_the_share_left_out_is_measured(gate: Gate) -> None:
    scan, where = with_gap(phantom(53), radius=20)

    shares = [
        measure(gate.score(replace(scan, mask=mask)), "excluded_share") for mask in (None, where)
    ]

    assert shares[0] == 0 < shares[1] < 1


def test_an_empty_mask_changes_nothing(gate: Gate) -> None:
    scan = phantom(53)

    masked = replace(scan, mask=np.zeros(scan.voxels.shape, dtype=bool))

    assert gate.value(masked) == gate.value(scan)


def test_a_mask_over_everything_is_not_judged(gate: Gate) -> None:
    scan = phantom(53)
    target = gate.target(replace(scan, mask=np.ones(scan.voxels.shape, dtype=bool)))

    with pytest.raises(NotJudged, match="stated pathology covers all"):
        DETECTOR.score([target], gate.profile, device="cpu")


def test_a_scan_that_is_not_prepared_is_not_judged_for_the_reason_given(gate: Gate) -> None:
    target = replace(gate.target(phantom(53)), prepared=None, unprepared="it is upside down")

    with pytest.raises(NotJudged, match="it is upside down"):
        DETECTOR.score([target], gate.profile, device="cpu")


def test_without_real_scans_nothing_is_judged(gate: Gate) -> None:
    with pytest.raises(NotJudged, match="needs a profile"):
        DETECTOR.score([gate.target(phantom(53))], None, device="cpu")
