"""Each layout that is found without configuration: whose scan is whose."""

from pathlib import Path

import pytest

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.core.scan import Release
from pytest_safegen.data.discover import discover

pytestmark = pytest.mark.slow


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def patients(release: Release) -> dict[str, list[str]]:
    return {series.subject: [ref.target for ref in series.refs] for series in release.series}


def sessions(release: Release) -> list[tuple[str, str | None, str | None]]:
    return [(ref.subject, ref.session, ref.modality) for ref in release.refs]


def test_each_file_of_a_flat_folder_is_a_subject(tmp_path: Path) -> None:
    release = discover(tree(tmp_path, "a.nii.gz", "b.nrrd", "c.mha"))
    assert patients(release) == {"a": ["a.nii.gz"], "b": ["b.nrrd"], "c": ["c.mha"]}


def test_a_missing_folder_is_a_usage_problem(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="does not exist"):
        discover(tmp_path / "nowhere")


def test_a_file_instead_of_a_folder_is_a_usage_problem(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="is not a folder"):
        discover(tree(tmp_path, "a.nii.gz") / "a.nii.gz")


def test_an_empty_folder_has_no_series(tmp_path: Path) -> None:
    assert discover(tmp_path).series == ()


def test_bids_names_subject_session_and_modality(tmp_path: Path) -> None:
    release = discover(tree(tmp_path, "sub-01/ses-02/anat/sub-01_ses-02_T1w.nii.gz"))
    assert sessions(release) == [("sub-01", "ses-02", "T1w")]


def test_bids_without_folders_is_read_from_the_file_names(tmp_path: Path) -> None:
    release = discover(tree(tmp_path, "sub-01_ses-1_T1w.nii.gz", "sub-01_ses-2_T1w.nii.gz"))
    assert sessions(release) == [("sub-01", "ses-1", "T1w"), ("sub-01", "ses-2", "T1w")]


def test_two_bids_datasets_in_one_root_keep_their_subjects_apart(tmp_path: Path) -> None:
    release = discover(
        tree(tmp_path, "a/sub-01/sub-01_T1w.nii.gz", "b/sub-01/anat/sub-01_T1w.nii.gz")
    )
    assert [series.subject for series in release.series] == ["a/sub-01", "b/sub-01"]


def test_sessions_above_the_subject_are_one_patient(tmp_path: Path) -> None:
    names = ("ses-1/sub-01/sub-01_T1w.nii.gz", "ses-2/sub-01/sub-01_T1w.nii.gz")
    assert list(patients(discover(tree(tmp_path, *names)))) == ["sub-01"]


def test_two_runs_of_one_session_are_no_follow_up(tmp_path: Path) -> None:
    names = ("sub-01/sub-01_run-1_T1w.nii.gz", "sub-01/sub-01_run-2_T1w.nii.gz")
    assert discover(tree(tmp_path, *names)).series[0].timepoints == 1


def test_brats_names_subject_session_and_modality(tmp_path: Path) -> None:
    name = "BraTS-GLI-00001-00{0}/BraTS-GLI-00001-00{0}-t1c.nii.gz"
    release = discover(tree(tmp_path, name.format(0), name.format(1)))
    assert sessions(release) == [("BraTS-GLI-00001", s, "t1c") for s in ("000", "001")]


def test_a_brats_series_is_called_by_its_subject(tmp_path: Path) -> None:
    name = "BraTS-GLI-00001-00{0}/BraTS-GLI-00001-00{0}-t1c.nii.gz"
    release = discover(tree(tmp_path, name.format(0), name.format(1)))
    assert [series.target for series in release.series] == ["BraTS-GLI-00001"]


def test_the_older_brats_layout_is_a_folder_per_patient(tmp_path: Path) -> None:
    names = [f"BraTS20_Training_00{n}/BraTS20_Training_00{n}_t2.nii" for n in (1, 2)]
    assert list(patients(discover(tree(tmp_path, *names)))) == [
        "BraTS20_Training_001",
        "BraTS20_Training_002",
    ]


def test_channels_of_nnunet_are_one_patient(tmp_path: Path) -> None:
    release = discover(tree(tmp_path, "imagesTr/x_0000.nii.gz", "imagesTr/x_0001.nii.gz"))
    assert sessions(release) == [("x", None, "0000"), ("x", None, "0001")]


def test_training_and_test_images_of_one_name_are_two_patients(tmp_path: Path) -> None:
    release = discover(tree(tmp_path, "imagesTr/x.nii.gz", "imagesTs/x.nii.gz"))
    assert len(release.series) == 2


def test_a_folder_per_patient_is_a_series(tmp_path: Path) -> None:
    names = [f"patient{n}/{time}.nii.gz" for n in (1, 2) for time in ("baseline", "followup")]
    release = discover(tree(tmp_path, *names))
    assert [(s.target, len(s.refs)) for s in release.series] == [("patient1", 2), ("patient2", 2)]


def test_a_time_in_the_file_name_is_the_session(tmp_path: Path) -> None:
    names = [f"p{n}/{time}.nii.gz" for n in (1, 2) for time in ("t0", "t1")]
    assert sessions(discover(tree(tmp_path, *names)))[:2] == [
        ("p1", "t0", None),
        ("p1", "t1", None),
    ]


def test_t1_and_t2_without_t0_are_contrasts(tmp_path: Path) -> None:
    names = [f"p{n}/{contrast}.nii.gz" for n in (1, 2) for contrast in ("t1", "t2")]
    assert sessions(discover(tree(tmp_path, *names)))[:2] == [
        ("p1", None, "t1"),
        ("p1", None, "t2"),
    ]


def test_a_folder_below_the_patient_is_the_session(tmp_path: Path) -> None:
    names = [f"{who}/visit{n}/scan.nii.gz" for who in ("anna1", "ben2") for n in (1, 10, 2)]
    release = discover(tree(tmp_path, *names))
    assert [ref.session for ref in release.series[0].refs] == ["visit1", "visit2", "visit10"]


def test_a_patients_only_scan_is_called_by_its_folder(tmp_path: Path) -> None:
    release = discover(tree(tmp_path, "anna/scan.nii.gz", "ben/scan.nii.gz"))
    assert list(patients(release)) == ["anna", "ben"]


@pytest.mark.parametrize("folder", ["images", "train", "healthy", "batch_2", "results", "lesion"])
def test_unlike_files_of_a_folder_are_not_one_patient(tmp_path: Path, folder: str) -> None:
    names = [f"{folder}/{name}.nii.gz" for name in ("anna", "ben")]
    release = discover(tree(tmp_path, *names, "other/x.nii.gz", "other/y.nii.gz"))
    assert len(release.series) == 4


def test_numbered_samples_in_a_folder_called_alike_are_not_one_patient(tmp_path: Path) -> None:
    release = discover(tree(tmp_path, *(f"gan7/gan7_{n:04d}.nii.gz" for n in range(5)), "b/x.nii"))
    assert len(release.series) == 6


def test_a_single_folder_that_holds_everything_is_no_patient(tmp_path: Path) -> None:
    release = discover(tree(tmp_path, "p1/scan_1.nii.gz", "p1/scan_2.nii.gz"))
    assert list(patients(release)) == ["scan_1", "scan_2"]


def test_folders_by_class_do_not_hide_the_patients_below(tmp_path: Path) -> None:
    names = [f"{group}/p{n}/scan.nii.gz" for group in ("ill", "well") for n in (1, 2)]
    release = discover(tree(tmp_path, *names))
    assert list(patients(release)) == ["ill/p1", "ill/p2", "well/p1", "well/p2"]


def test_folders_by_contrast_do_not_split_a_patient(tmp_path: Path) -> None:
    release = discover(tree(tmp_path, "T1/anna.nii.gz", "T2/anna.nii.gz"))
    assert sessions(release) == [("anna", None, "T1"), ("anna", None, "T2")]


def test_one_stem_in_two_formats_is_two_subjects(tmp_path: Path) -> None:
    release = discover(tree(tmp_path, "a.nii", "a.nii.gz"))
    assert list(patients(release)) == ["a.nii", "a.nii.gz"]


def test_a_file_called_like_a_patients_folder_is_another_subject(tmp_path: Path) -> None:
    release = discover(tree(tmp_path, "p1.nii", "p1/t1.nii", "p2/t1.nii"))
    assert list(patients(release)) == ["p1", "p1.nii", "p2"]


@pytest.mark.parametrize(
    "name", ["a b.nii.gz", "it's.nii.gz", 'say "x".nii', "<script>x.nii.gz", "größe-脳.nii.gz"]
)
def test_odd_names_are_kept_as_they_are(tmp_path: Path, name: str) -> None:
    assert [ref.target for ref in discover(tree(tmp_path, name)).refs] == [name]


def test_upper_case_endings_are_read(tmp_path: Path) -> None:
    assert list(patients(discover(tree(tmp_path, "A.NII.GZ")))) == ["A"]


def test_ten_thousand_files_are_all_found(tmp_path: Path) -> None:
    for n in range(10_000):
        (tmp_path / f"x{n}.nii.gz").touch()
    assert len(discover(tmp_path).series) == 10_000


def test_subjects_come_in_natural_order(tmp_path: Path) -> None:
    release = discover(tree(tmp_path, "x10.nii", "x9.nii", "X1.nii"))
    assert [series.target for series in release.series] == ["X1", "x9", "x10"]
