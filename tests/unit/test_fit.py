"""Real scans become profiles, calibrated on patients that the profile never saw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from real_scans import (
    OTHERS,
    SUBJECTS,
    LeavingOut,
    Watching,
    cohort,
    fit,
    profile,
    write,
)
from stand_in import StandIn

from pytest_safegen.core.errors import ProfileError
from pytest_safegen.core.targets import Scope
from pytest_safegen.profiles.fit import FEWEST_SUBJECTS


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
