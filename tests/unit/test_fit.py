"""Real scans become profiles, calibrated on patients that the profile never saw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from stand_in import StandIn

from pytest_safegen.core.errors import NotJudged, ProfileError
from pytest_safegen.core.scan import Release
from pytest_safegen.core.score import Fitted, Profile, Score
from pytest_safegen.core.targets import ScanTarget, Scope
from pytest_safegen.data.discover import discover
from pytest_safegen.profiles.fit import FEWEST_SUBJECTS, Fitter
from pytest_safegen.profiles.model import ProfileSet

SUBJECTS = [f"sub-{n:02d}" for n in range(12)]
OTHERS = [f"sub-{n:02d}" for n in range(20, 24)]


@dataclass(frozen=True)
class Watching(StandIn):
    """Scores each scan with its subject's number, and remembers what the profile then knew."""

    needs_profile: bool = True
    known: list[tuple[str, list[str]]] = field(default_factory=list, repr=False)
    seeds: list[int] = field(default_factory=list, repr=False)
    targets: list[ScanTarget] = field(default_factory=list, repr=False)
    unjudged: str = ""

    def fit(self, reference: Iterable[ScanTarget], *, seed: int) -> Fitted:
        self.seeds.append(seed)
        self.targets.extend(reference)
        return StandIn.fit(self, reference, seed=seed)

    def score(
        self, targets: Sequence[Any], profile: Profile | None, *, device: str
    ) -> Sequence[Score]:
        assert profile is not None
        assert device == "cpu"
        (target,) = targets
        subject = target.ref.subject
        if subject == self.unjudged:
            raise NotJudged("it is too small")
        self.known.append((subject, sorted(set(profile.facts["subjects"]))))
        return [Score(float(subject[-2:]) + float((target.ref.session or "0")[-1]) / 10)]


@dataclass(frozen=True)
class LeavingOut(Watching):
    """One that is calibrated by leaving out one patient at a time."""

    def without(self, profile: Profile, subject: str) -> Profile:
        kept = [name for name in profile.facts["subjects"] if name != subject]
        return replace(profile, facts={**profile.facts, "subjects": kept})


@dataclass(frozen=True)
class HoldingOut(Watching):
    """One that scores each patient itself while it learns, as if it had not learned from it."""

    shift: float = 100.0

    def fit(self, reference: Iterable[ScanTarget], *, seed: int) -> Fitted:
        fitted = Watching.fit(self, reference, seed=seed)
        held_out = {who: self.shift - float(who[-2:]) for who in fitted.facts["subjects"]}
        return replace(fitted, held_out=held_out)


@dataclass(frozen=True)
class Recalibrating(HoldingOut):
    """One whose scale is set by the holdout."""

    def recalibrate(self, profile: Profile, holdout: Iterable[ScanTarget]) -> Fitted:
        scores = {target.ref.subject: 1000.0 + float(target.ref.subject[-2:]) for target in holdout}
        return Fitted({"scale": np.array([3.0])}, {**profile.facts, "scale": 3.0}, scores)


def write(root: Path, subject: str, *, session: str = "", suffix: str = "T1w") -> Path:
    """A scan that tissue fills to its border, so that no registration is needed."""
    random = np.random.default_rng(int(subject[-2:]))
    values = (100 + 10 * random.normal(size=(12, 12, 12))).astype(np.float32)
    parts = [subject, f"ses-{session}"] if session else [subject]
    path = root.joinpath(*parts) / "anat" / f"{'_'.join([*parts, suffix])}.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, np.diag([2.0, 2, 2, 1])), path)
    return path


def cohort(root: Path, subjects: Iterable[str]) -> Path:
    for subject in subjects:
        write(root, subject)
    return root


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cohort(tmp_path_factory.mktemp("real"), SUBJECTS)


@pytest.fixture(scope="session")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cohort(tmp_path_factory.mktemp("unseen"), OTHERS)


def fit(detector: Any, *roots: Path, holdout: Sequence[Path] = (), **asked: Any) -> ProfileSet:
    releases: list[Release] = [discover(root) for root in roots]
    fitter = Fitter({detector.name: detector}, **asked)
    return fitter.fit(releases, [discover(root) for root in holdout])


def profile(profiles: ProfileSet, modality: str = "T1w") -> Profile:
    return profiles.bundles[modality].profiles["stand-in"]


def calibrated_on(detector: Watching) -> Mapping[str, list[str]]:
    return dict(detector.known)


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


def test_stated_pathology_reaches_what_is_learned_from(tmp_path: Path) -> None:
    for subject in SUBJECTS:
        path = write(tmp_path, subject)
    mask = np.zeros((12, 12, 12), np.uint8)
    mask[3:6, 4:6, 5:6] = 1
    stem = path.name.removesuffix("_T1w.nii.gz")
    nib.save(
        nib.Nifti1Image(mask, np.diag([2.0, 2, 2, 1])), path.with_name(f"{stem}_T1w_mask.nii.gz")
    )
    detector = LeavingOut()

    fit(detector, tmp_path)

    stated = {t.ref.subject: t.own.pathology for t in detector.targets if t.own is not None}
    assert [who for who, where in stated.items() if where is not None] == [SUBJECTS[-1]]
    np.testing.assert_array_equal(stated[SUBJECTS[-1]], mask > 0)


def test_the_kind_of_scale_reaches_what_is_learned_from(real: Path) -> None:
    detector = LeavingOut()
    fit(detector, real)

    kinds = {
        (t.own.intensity, t.prepared.intensity) for t in detector.targets if t.own and t.prepared
    }
    assert kinds == {("mr", "mr")}


def test_the_count_of_a_profile_is_of_patients(real: Path) -> None:
    assert profile(fit(Watching(), real)).reference_count == len(SUBJECTS)


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


def test_the_seed_reaches_the_detector(real: Path) -> None:
    detector = LeavingOut()
    fit(detector, real, seed=3)
    assert detector.seeds == [3]


def test_what_is_learned_from_is_prepared(real: Path) -> None:
    detector = LeavingOut()
    template = fit(detector, real).bundles["T1w"].template
    assert template is not None
    shapes = {target.prepared.voxels.shape for target in detector.targets if target.prepared}
    assert shapes == {template.voxels.shape}


def test_what_is_learned_from_holds_no_scan(real: Path) -> None:
    detector = LeavingOut()
    fit(detector, real)
    assert [target.scan for target in detector.targets] == [None] * len(SUBJECTS)


def test_the_version_of_the_detector_is_in_its_profile(real: Path) -> None:
    assert profile(fit(StandIn(version="7"), real)).facts["version"] == "7"


def test_fitting_twice_gives_the_same_template(real: Path) -> None:
    one, two = (fit(StandIn(), real).bundles["T1w"].template for _ in range(2))
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.voxels, two.voxels)


def test_fitting_twice_gives_the_same_digest(real: Path) -> None:
    assert fit(StandIn(), real).digest == fit(StandIn(), real).digest


def test_too_few_patients_teach_nothing(tmp_path: Path) -> None:
    few = cohort(tmp_path, SUBJECTS[: FEWEST_SUBJECTS - 1])
    bundle = fit(StandIn(), few).bundles["T1w"]
    assert bundle.problem.startswith("the reference has 9 patients")
    assert bundle.headline == "Too few real patients to compare with: 9, need 10"


def test_scans_of_one_patient_are_not_many_patients(tmp_path: Path) -> None:
    for session in range(12):
        write(tmp_path, "sub-01", session=f"{session:02d}")
    assert fit(StandIn(), tmp_path).bundles["T1w"].problem.startswith("the reference has 1 ")


def test_the_fewest_patients_are_enough(tmp_path: Path) -> None:
    enough = cohort(tmp_path, SUBJECTS[:FEWEST_SUBJECTS])
    assert fit(StandIn(), enough).bundles["T1w"].problem == ""


def test_broken_scans_do_not_count_as_patients(tmp_path: Path) -> None:
    cohort(tmp_path, SUBJECTS[:FEWEST_SUBJECTS])
    write(tmp_path, "sub-00").write_bytes(b"no scan")
    assert fit(StandIn(), tmp_path).bundles["T1w"].problem.startswith("the reference has 9 ")


def test_a_broken_scan_is_left_out_by_name(tmp_path: Path) -> None:
    cohort(tmp_path, SUBJECTS)
    write(tmp_path, "sub-03").write_bytes(b"no scan")
    (sentence,) = fit(StandIn(), tmp_path).left_out
    assert sentence.startswith("sub-03/anat/sub-03_T1w.nii.gz")


def test_a_blank_scan_is_left_out_by_name(tmp_path: Path) -> None:
    cohort(tmp_path, SUBJECTS)
    path = write(tmp_path, "sub-03")
    nib.save(nib.Nifti1Image(np.zeros((12, 12, 12), np.float32), np.diag([2.0, 2, 2, 1])), path)
    (sentence,) = fit(StandIn(), tmp_path).left_out
    assert sentence.startswith("sub-03/anat/sub-03_T1w.nii.gz: all voxels")


def test_a_broken_scan_does_not_stop_the_fit(tmp_path: Path) -> None:
    cohort(tmp_path, SUBJECTS)
    write(tmp_path, "sub-03").write_bytes(b"no scan")
    assert profile(fit(StandIn(), tmp_path)).reference_count == len(SUBJECTS) - 1


def test_a_reference_without_a_readable_scan_is_refused(tmp_path: Path) -> None:
    for subject in SUBJECTS:
        write(tmp_path, subject).write_bytes(b"no scan")
    with pytest.raises(ProfileError, match="No real scan can be read"):
        fit(StandIn(), tmp_path)


def test_a_patient_in_reference_and_holdout_is_refused_by_name(real: Path, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"1 patients .*\(sub-03\)"):
        fit(StandIn(), real, holdout=[cohort(tmp_path, ["sub-03", "sub-30"])])


def test_a_holdout_of_another_modality_is_refused_by_name(real: Path, tmp_path: Path) -> None:
    for subject in OTHERS:
        write(tmp_path, subject, suffix="T1")
    with pytest.raises(ProfileError) as caught:
        fit(StandIn(), real, holdout=[tmp_path])
    assert str(caught.value) == (
        "The holdout cannot calibrate: its modality is T1 and that of the reference T1w. "
        "Use the same name in the file names or in safegen.tsv."
    )
    assert caught.value.headline == "Holdout and reference differ in modality"


def test_holdout_scans_of_a_further_modality_are_left_out_by_name(
    real: Path, tmp_path: Path
) -> None:
    for subject in OTHERS:
        write(tmp_path, subject)
    write(tmp_path, OTHERS[0], suffix="T2w")
    assert fit(StandIn(), real, holdout=[tmp_path]).left_out == (
        "Holdout scans of modality T2w are not used (1): the reference is T1w.",
    )


def test_modalities_are_learned_apart(tmp_path: Path) -> None:
    for suffix in ("T1w", "T2w"):
        for subject in SUBJECTS:
            write(tmp_path, subject, suffix=suffix)
    assert sorted(fit(StandIn(), tmp_path).bundles) == ["T1w", "T2w"]


def test_a_modality_with_too_few_patients_does_not_spoil_the_other(tmp_path: Path) -> None:
    cohort(tmp_path, SUBJECTS)
    write(tmp_path, "sub-01", suffix="T2w")
    found = fit(StandIn(), tmp_path)
    assert [bool(found.bundles[name].problem) for name in ("T1w", "T2w")] == [False, True]


def test_a_release_detector_learns_from_the_table(real: Path) -> None:
    detector = Watching(scope=Scope.RELEASE)
    fit(detector, real)
    assert [target.facts["subject"] for target in detector.targets] == SUBJECTS


def test_a_release_detector_learns_from_few_patients_too(tmp_path: Path) -> None:
    detector = Watching(scope=Scope.RELEASE)
    found = fit(detector, cohort(tmp_path, SUBJECTS[:2]))
    assert found.release["stand-in"].reference_count == 2


def test_progress_is_told_step_by_step(real: Path) -> None:
    labels: list[str] = []

    def progress(items: Sequence[Any], label: str) -> Iterable[Any]:
        labels.append(label)
        return items

    fit(LeavingOut(), real, progress=progress)
    assert labels == [
        "template",
        "preparing",
        "preparing",
        "learning stand-in",
        "calibrating stand-in",
    ]


def test_progress_sees_every_scan(real: Path) -> None:
    counts: dict[str, int] = {}

    def progress(items: Sequence[Any], label: str) -> Iterable[Any]:
        for item in items:
            counts[label] = counts.get(label, 0) + 1
            yield item

    fit(LeavingOut(), real, progress=progress)
    assert counts == {
        "template": 12,
        "preparing": 12,
        "learning stand-in": 1,
        "calibrating stand-in": 12,
    }
