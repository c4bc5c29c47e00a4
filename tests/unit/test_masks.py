"""Masks are never taken for scans, and the mask of the pathology finds its scan."""

from pathlib import Path

import pytest

from pytest_safegen.core.scan import Release
from pytest_safegen.data.discover import discover


def found(root: Path, *names: str) -> dict[str, str | None]:
    """The scans, each with its mask, both relative to the root."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return pairs(root, discover(root))


def pairs(root: Path, release: Release) -> dict[str, str | None]:
    return {
        ref.target: ref.mask.relative_to(root).as_posix() if ref.mask else None
        for ref in release.refs
    }


@pytest.mark.parametrize(
    "mask",
    [
        "p1_mask.nii.gz",
        "p1_seg.nii.gz",
        "p1-seg.nii",
        "p1_label-lesion_mask.nii.gz",
        "p1_label-tumor_dseg.nii.gz",
        "p1_segmentation.nrrd",
        "p1_lesion.nii.gz",
        "p1_lesion_mask.nii.gz",
        "p1_gt.nii.gz",
        "p1_tumor_roi.mha",
        "P1_MASK.NII.GZ",
    ],
)
def test_a_mask_beside_its_scan_is_found(tmp_path: Path, mask: str) -> None:
    assert found(tmp_path, "p1_ct.nii.gz", "p2_ct.nii.gz", mask) == {
        "p1_ct.nii.gz": mask,
        "p2_ct.nii.gz": None,
    }


@pytest.mark.parametrize(
    "mask",
    ["p1_brainmask.nii.gz", "p1_aseg.nii.gz", "p1_brain_mask.nii.gz", "p1_label-GM_probseg.nii.gz"],
)
def test_a_mask_of_the_anatomy_is_neither_scan_nor_mask(tmp_path: Path, mask: str) -> None:
    assert found(tmp_path, "p1_ct.nii.gz", mask) == {"p1_ct.nii.gz": None}


@pytest.mark.parametrize("mask", ["p1/mask_1.nii.gz", "p1/p1_seg2.nii.gz"])
def test_a_numbered_mask_may_be_one_of_many_and_is_not_taken(tmp_path: Path, mask: str) -> None:
    assert found(tmp_path, "p1/p1_ct.nii.gz", "p1/ct.nii.gz", mask) == {
        "p1/p1_ct.nii.gz": None,
        "p1/ct.nii.gz": None,
    }


@pytest.mark.parametrize("name", ["healthy_lesion.nii.gz", "tumor.nii.gz", "unet_core.nii.gz"])
def test_an_ambiguous_name_without_its_scan_is_a_scan(tmp_path: Path, name: str) -> None:
    assert found(tmp_path, "other_ct.nii.gz", name)[name] is None


def test_the_samples_of_a_class_are_scans(tmp_path: Path) -> None:
    names = [f"synth_{kind}_{n:03d}.nii.gz" for kind in ("lesion", "label") for n in range(3)]
    assert len(found(tmp_path, *names, "synth_healthy_001.nii.gz")) == 7


def test_a_lesion_mask_wins_over_another(tmp_path: Path) -> None:
    names = ("p1_t1.nii.gz", "p1_seg.nii.gz", "p1_lesion_seg.nii.gz", "p1_brain_seg.nii.gz")
    assert found(tmp_path, *names) == {"p1_t1.nii.gz": "p1_lesion_seg.nii.gz"}


def test_the_brats_segmentation_is_the_mask_of_each_modality(tmp_path: Path) -> None:
    base = "BraTS-GLI-00001-000/BraTS-GLI-00001-000"
    scans = (f"{base}-t1c.nii.gz", f"{base}-t2f.nii.gz")
    mask = f"{base}-seg.nii.gz"
    assert found(tmp_path, *scans, mask) == dict.fromkeys(scans, mask)


def test_a_mask_in_a_patients_folder_may_have_any_name(tmp_path: Path) -> None:
    names = ("p1/ct.nii.gz", "p1/mask.nii.gz", "p2/ct.nii.gz", "p2/my_segmentation.nii.gz")
    assert found(tmp_path, *names) == {
        "p1/ct.nii.gz": "p1/mask.nii.gz",
        "p2/ct.nii.gz": "p2/my_segmentation.nii.gz",
    }


def test_a_mask_among_many_patients_needs_a_name_alike(tmp_path: Path) -> None:
    names = ("anna.nii.gz", "ben.nii.gz", "mask.nii.gz")
    assert found(tmp_path, *names) == {"anna.nii.gz": None, "ben.nii.gz": None}


def test_the_labels_of_nnunet_go_with_their_images(tmp_path: Path) -> None:
    names = ("imagesTr/x_0000.nii.gz", "imagesTs/x_0000.nii.gz", "labelsTr/x.nii.gz")
    assert found(tmp_path, *names) == {
        "imagesTr/x_0000.nii.gz": "labelsTr/x.nii.gz",
        "imagesTs/x_0000.nii.gz": None,
    }


@pytest.mark.parametrize("folder", ["masks", "labels", "lesion_masks", "ground_truth"])
def test_a_file_of_the_same_name_in_a_folder_of_masks_is_the_mask(
    tmp_path: Path, folder: str
) -> None:
    names = ("images/a.nii.gz", "images/b.nii.gz", f"{folder}/a.nii.gz")
    assert found(tmp_path, *names) == {
        "images/a.nii.gz": f"{folder}/a.nii.gz",
        "images/b.nii.gz": None,
    }


def test_a_bids_mask_belongs_to_its_own_session(tmp_path: Path) -> None:
    names = [f"sub-01/ses-{n}/anat/sub-01_ses-{n}_T1w.nii.gz" for n in (1, 2)]
    mask = "sub-01/ses-2/anat/sub-01_ses-2_label-lesion_mask.nii.gz"
    assert found(tmp_path, *names, mask) == {names[0]: None, names[1]: mask}


def test_a_mask_in_derivatives_is_found_by_its_entities(tmp_path: Path) -> None:
    scans = [f"sub-0{n}/ses-1/anat/sub-0{n}_ses-1_T1w.nii.gz" for n in (1, 2)]
    mask = "derivatives/manual/sub-01/ses-1/anat/sub-01_ses-1_label-lesion_mask.nii.gz"
    assert found(tmp_path, *scans, mask) == {scans[0]: mask, scans[1]: None}


def test_a_mask_in_derivatives_of_one_contrast_belongs_to_that_only(tmp_path: Path) -> None:
    scans = [f"sub-01/anat/sub-01_{contrast}.nii.gz" for contrast in ("FLAIR", "T1w")]
    mask = "derivatives/x/sub-01/sub-01_FLAIR_label-lesion_mask.nii.gz"
    assert found(tmp_path, *scans, mask) == {scans[0]: mask, scans[1]: None}


@pytest.mark.parametrize(
    "mask",
    [
        "derivatives/dlmuse/sub-01/anat/sub-01_dseg.nii.gz",
        "derivatives/x/sub-01/sub-01_dseg.nii.gz",
        "derivatives/x/sub-01/sub-01_brainmask.nii.gz",
        "derivatives/x/sub-01/sub-01_space-MNI_label-lesion_mask.nii.gz",
        "derivatives/x/sub-01/ses-2/sub-01_ses-2_label-lesion_mask.nii.gz",
    ],
)
def test_a_derivative_that_does_not_fit_is_no_mask(tmp_path: Path, mask: str) -> None:
    assert found(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz", mask) == {
        "sub-01/anat/sub-01_T1w.nii.gz": None
    }


def test_a_dseg_beside_the_scan_is_its_mask(tmp_path: Path) -> None:
    names = ("sub-01/anat/sub-01_T1w.nii.gz", "sub-01/anat/sub-01_dseg.nii.gz")
    assert found(tmp_path, *names) == {names[0]: names[1]}


def test_derived_images_are_no_scans(tmp_path: Path) -> None:
    names = ("sub-01/anat/sub-01_T1w.nii.gz", "derivatives/x/sub-01/sub-01_T1w.nii.gz")
    assert list(found(tmp_path, *names)) == [names[0]]


def test_what_is_left_out_says_whose_mask_it_is(tmp_path: Path) -> None:
    found(tmp_path, "p1_ct.nii.gz", "p1_mask.nii.gz")
    assert [left.reason for left in discover(tmp_path).left_out] == ["the mask of p1_ct.nii.gz"]
