"""Profiles are calibrated on patients that they never saw."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_scans import (
    OTHERS,
    SUBJECTS,
    HoldingOut,
    LeavingOut,
    Recalibrating,
    Watching,
    calibrated_on,
    fit,
    profile,
    write,
)
from stand_in import StandIn

from pytest_safegen.core.errors import ProfileError

pytestmark = pytest.mark.slow


@pytest.fixture(params=[Watching, LeavingOut])
def detector(request: pytest.FixtureRequest) -> Watching:
    made: Watching = request.param()
    return made


def test_the_profile_is_of_every_reference_patient(real: Path, detector: Watching) -> None:
    assert profile(fit(detector, real)).facts["subjects"] == SUBJECTS


def test_every_reference_patient_gives_a_calibration_score(real: Path, detector: Watching) -> None:
    assert profile(fit(detector, real)).calibration.tolist() == [float(n) for n in range(12)]


def test_no_patient_is_scored_by_a_profile_that_knows_it(real: Path, detector: Watching) -> None:
    fit(detector, real)
    assert [who for who, known in detector.known if who in known] == []


def test_one_patient_at_a_time_is_left_out(real: Path) -> None:
    detector = LeavingOut()
    fit(detector, real)
    assert calibrated_on(detector) == {
        who: [name for name in SUBJECTS if name != who] for who in SUBJECTS
    }


def test_the_holdout_is_what_calibrates(real: Path, unseen: Path, detector: Watching) -> None:
    fit(detector, real, holdout=[unseen])
    assert calibrated_on(detector) == dict.fromkeys(OTHERS, SUBJECTS)


def test_the_holdout_is_not_learned(real: Path, unseen: Path, detector: Watching) -> None:
    assert profile(fit(detector, real, holdout=[unseen])).facts["subjects"] == SUBJECTS


@pytest.mark.parametrize(
    ("made", "held", "source"),
    [
        (Watching, False, "reference patients, a third held out of the profile in turn"),
        (LeavingOut, False, "reference patients, each left out of the profile in turn"),
        (Watching, True, "patients of the holdout folder"),
    ],
)
def test_a_calibration_says_whose_scores_it_is_from(
    real: Path, unseen: Path, made: type[Watching], held: bool, source: str
) -> None:
    found = fit(made(), real, holdout=[unseen] if held else [])
    assert profile(found).calibration_source == source


def test_scores_that_a_detector_held_out_itself_calibrate_it(real: Path) -> None:
    found = profile(fit(HoldingOut(), real))

    assert found.calibration.tolist() == [100.0 - n for n in reversed(range(12))]
    assert found.calibration_source == "reference patients, each judged by what the others taught"


def test_a_detector_that_held_out_scores_learns_once_and_scores_nothing(real: Path) -> None:
    detector = HoldingOut()
    fit(detector, real)

    assert (len(detector.fitted_on), detector.known) == (1, [])


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_held_out_score_that_is_no_number_is_refused_by_name(real: Path, score: float) -> None:
    with pytest.raises(ProfileError, match=r"stand-in cannot be calibrated.* sub-00 is"):
        fit(HoldingOut(shift=score), real)


def test_the_holdout_calibrates_also_what_held_out_scores_itself(real: Path, unseen: Path) -> None:
    detector = HoldingOut()
    found = profile(fit(detector, real, holdout=[unseen]))

    assert found.calibration.tolist() == [20.0, 21.0, 22.0, 23.0]
    assert calibrated_on(detector) == dict.fromkeys(OTHERS, SUBJECTS)


def test_the_holdout_sets_the_scales_of_what_recalibrates(real: Path, unseen: Path) -> None:
    found = profile(fit(Recalibrating(version="5"), real, holdout=[unseen]))

    assert found.calibration.tolist() == [1020.0, 1021.0, 1022.0, 1023.0]
    assert found.calibration_source == (
        "patients of the holdout folder, each on scales set by the others"
    )
    assert found.arrays["scale"].tolist() == [3.0]
    assert (found.facts["scale"], found.facts["version"]) == (3.0, "5")
    assert found.facts["subjects"] == SUBJECTS


def test_without_a_holdout_nothing_is_recalibrated(real: Path) -> None:
    assert "scale" not in profile(fit(Recalibrating(), real)).facts


def test_a_patient_counts_once_with_the_worst_of_its_scans(tmp_path: Path) -> None:
    for subject in SUBJECTS:
        write(tmp_path, subject, session="1")
    write(tmp_path, SUBJECTS[3], session="2")
    assert profile(fit(LeavingOut(), tmp_path)).calibration[3] == 3.2


def test_a_patient_that_cannot_be_judged_gives_no_score(real: Path) -> None:
    found = profile(fit(Watching(unjudged="sub-05"), real))
    assert found.calibration.tolist() == [float(n) for n in range(12) if n != 5]


def test_a_check_that_needs_no_real_scans_is_not_calibrated(real: Path) -> None:
    assert profile(fit(StandIn(), real)).calibration.size == 0


def test_the_same_seed_gives_the_same_parts(real: Path) -> None:
    one, two = Watching(), Watching()
    fit(one, real, seed=3)
    fit(two, real, seed=3)
    assert one.known == two.known


def test_another_seed_gives_other_parts(real: Path) -> None:
    one, two = Watching(), Watching()
    fit(one, real, seed=3)
    fit(two, real, seed=4)
    assert calibrated_on(one) != calibrated_on(two)
