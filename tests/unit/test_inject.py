"""`safegen inject` writes corrupted scans, their masks, and tables that say what was done."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from pytest_safegen.cli.main import main
from pytest_safegen.data.discover import discover
from pytest_safegen.readers import read_scan
from pytest_safegen.testing import phantom, write_cohort, write_scan

PATCH = "dropout"


@pytest.fixture
def real(tmp_path: Path) -> Path:
    return write_cohort(tmp_path / "real", range(2))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def inject(real: Path, out: Path, *options: str) -> int:
    return main(["inject", str(real), "-o", str(out), *options])


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "faults.tsv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def voxels(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def contents(out: Path) -> dict[str, bytes]:
    files = [path for path in out.rglob("*") if path.is_file()]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def write_as(real: Path, kind: type[np.generic], values: np.ndarray) -> None:
    path = real / "sub-09" / "sub-09_T1w.nii.gz"
    path.parent.mkdir(parents=True)
    nib.save(nib.Nifti1Image(values.astype(kind), phantom(9).affine), path)


def test_each_scan_gets_each_kind_at_each_strength(real: Path, out: Path) -> None:
    assert inject(real, out, "--kinds", "noise,dropout", "--strength", "0.2,1") == 0
    found = {(row["source"][:6], row["kind"], row["strength"]) for row in rows(out)}
    assert found == {
        (source, kind, strength)
        for source in ("sub-00", "sub-01")
        for kind in ("noise", "dropout")
        for strength in ("0.2", "1")
    }


def test_every_file_that_is_named_is_there(real: Path, out: Path) -> None:
    inject(real, out, "--kinds", "noise,dropout")
    named = {row[what] for row in rows(out) for what in ("scan", "mask") if row[what] != "n/a"}
    assert named <= set(contents(out))
    assert len(named) == 6


def test_a_scan_is_changed_inside_its_mask_only(real: Path, out: Path) -> None:
    inject(real, out, "--kinds", PATCH, "--strength", "1")
    row = rows(out)[0]
    change = voxels(out / row["scan"]) != voxels(real / row["source"])
    mask = voxels(out / row["mask"]) > 0
    assert change[mask].all()
    assert mask.sum() == int(row["changed_voxels"])
    assert float(row["mean_change"]) > 0.3


def test_the_grid_is_that_of_the_source(real: Path, out: Path) -> None:
    inject(real, out, "--kinds", PATCH)
    row = rows(out)[0]
    for path in (out / row["scan"], out / row["mask"]):
        np.testing.assert_array_equal(nib.load(path).affine, phantom(0).affine)


def test_the_gate_finds_every_scan_as_a_patient_of_its_own(real: Path, out: Path) -> None:
    inject(real, out, "--kinds", "noise,dropout")
    for root in (out, out / "scans"):
        release = discover(root)
        assert len(release.series) == len(release.refs) == 4
        assert {ref.modality for ref in release.refs} == {"T1w"}


def test_the_gate_does_not_take_the_fault_for_stated_pathology(real: Path, out: Path) -> None:
    inject(real, out, "--kinds", PATCH)
    assert [ref.mask for root in (out, out / "scans") for ref in discover(root).refs] == [None] * 4


def test_stated_pathology_of_the_source_stays_stated(tmp_path: Path, out: Path) -> None:
    path = write_scan(phantom(3), tmp_path / "real")
    lesion = np.zeros(phantom(3).voxels.shape, np.uint8)
    lesion[20:23, 20:23, 20:23] = 1
    name = path.name.replace(".nii.gz", "_label-lesion_mask.nii.gz")
    nib.save(nib.Nifti1Image(lesion, phantom(3).affine), path.with_name(name))
    inject(tmp_path / "real", out, "--kinds", PATCH)
    for root in (out, out / "scans"):
        (ref,) = discover(root).refs
        mask = read_scan(ref).mask
        assert mask is not None
        np.testing.assert_array_equal(mask, lesion > 0)


def test_the_same_seed_writes_the_same_bytes(real: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        inject(real, tmp_path / name, "--kinds", "local", "--per-scan", "2", "--slices")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_another_seed_writes_other_faults(real: Path, tmp_path: Path) -> None:
    for seed in ("0", "1"):
        inject(real, tmp_path / seed, "--kinds", PATCH, "--seed", seed)
    scans = [voxels(tmp_path / seed / rows(tmp_path / seed)[0]["scan"]) for seed in ("0", "1")]
    assert (scans[0] != scans[1]).any()


def test_a_scan_gets_the_same_fault_whatever_lies_beside_it(real: Path, tmp_path: Path) -> None:
    inject(real, tmp_path / "both", "--kinds", PATCH)
    alone = write_cohort(tmp_path / "alone", [1])
    inject(alone, tmp_path / "one", "--kinds", PATCH)
    (row,) = rows(tmp_path / "one")
    np.testing.assert_array_equal(
        voxels(tmp_path / "one" / row["scan"]), voxels(tmp_path / "both" / row["scan"])
    )


def test_doses_lie_in_the_same_place(real: Path, out: Path) -> None:
    inject(real, out, "--kinds", PATCH, "--strength", "0.6,1")
    low, high = (voxels(out / row["mask"]) > 0 for row in rows(out)[:2])
    assert (low & high).sum() > 0.8 * max(low.sum(), high.sum())


def test_so_many_kinds_a_scan_are_drawn(real: Path, out: Path) -> None:
    inject(real, out, "--kinds", "global", "--per-scan", "3")
    assert len(rows(out)) == 6
    assert {row["mask"] for row in rows(out)} == {"n/a"}


@pytest.mark.parametrize(("intensity", "unfit"), [("mr", "ct"), ("ct", "kspace")])
def test_groups_fit_the_modality(tmp_path: Path, out: Path, intensity: str, unfit: str) -> None:
    inject(write_cohort(tmp_path / "one", [1]), out, "--intensity", intensity)
    groups = {row["group"] for row in rows(out)}
    assert unfit not in groups
    assert "noise" in groups


def test_a_kind_that_is_named_is_planted_in_any_modality(real: Path, out: Path) -> None:
    inject(real, out, "--kinds", "metal-dot", "--intensity", "mr")
    assert {row["kind"] for row in rows(out)} == {"metal-dot"}


@pytest.mark.parametrize("kind", [np.int16, np.uint8, np.float64])
def test_the_data_type_is_kept(tmp_path: Path, out: Path, kind: type[np.generic]) -> None:
    write_as(tmp_path / "real", kind, np.round(phantom(9).voxels))
    inject(tmp_path / "real", out, "--kinds", "noise", "--strength", "1")
    found = nib.load(out / rows(out)[0]["scan"])
    assert found.get_data_dtype() == np.dtype(kind)
    assert voxels(out / rows(out)[0]["scan"]).min() >= 0


def test_wide_whole_numbers_become_floats(tmp_path: Path, out: Path) -> None:
    path = write_scan(phantom(9), tmp_path / "real")
    values = np.round(phantom(9).voxels).astype(np.int64)
    nib.save(nib.Nifti1Image(values, phantom(9).affine, dtype="int64"), path)
    inject(tmp_path / "real", out, "--kinds", "noise")
    assert nib.load(out / rows(out)[0]["scan"]).get_data_dtype() == np.float32


def test_whole_numbers_that_stand_for_fractions_become_floats(tmp_path: Path, out: Path) -> None:
    path = write_scan(phantom(9), tmp_path / "real")
    image = nib.Nifti1Image(phantom(9).voxels / 100, phantom(9).affine)
    image.set_data_dtype(np.int16)
    nib.save(image, path)
    inject(tmp_path / "real", out, "--kinds", "blur")
    found = nib.load(out / rows(out)[0]["scan"])
    assert found.get_data_dtype() == np.float32
    assert len(np.unique(voxels(out / rows(out)[0]["scan"]))) > 1000


def test_negative_values_stay_where_the_source_has_some(tmp_path: Path, out: Path) -> None:
    write_scan(replace(phantom(4), voxels=phantom(4).voxels - 50), tmp_path / "real")
    inject(tmp_path / "real", out, "--kinds", "noise", "--strength", "1")
    assert voxels(out / rows(out)[0]["scan"]).min() < -55


def test_slices_are_pictures_of_the_fault(real: Path, out: Path) -> None:
    inject(real, out, "--kinds", "noise,dropout", "--slices")
    pictures = sorted((out / "slices").rglob("*.png"))
    masks = [path for path in pictures if path.stem.endswith("_mask")]
    assert (len(pictures), len(masks)) == (6, 2)
    shown = np.asarray(Image.open(masks[0]))
    assert shown.shape == np.asarray(Image.open(pictures[0])).shape == (48, 40)
    assert set(np.unique(shown)) == {0, 255}


def test_the_data_set_says_how_it_was_made(real: Path, out: Path) -> None:
    inject(real, out, "--kinds", PATCH, "--seed", "7")
    described = json.loads((out / "dataset.json").read_text(encoding="utf-8"))
    assert described["arguments"]["seed"] == 7
    assert described["kinds"] == {PATCH: "missing tissue"}
    assert (described["scans"], described["sources"]) == (2, 2)


def test_foreign_tissue_is_of_another_patient(tmp_path: Path, out: Path) -> None:
    real = write_cohort(tmp_path / "real", [0])
    flat = np.where(phantom(1).voxels > 0, np.float32(100), np.float32(0))
    write_scan(replace(phantom(1), voxels=flat), real)
    inject(real, out, "--kinds", "two-patients", "--strength", "1")
    found = voxels(out / rows(out)[0]["scan"])
    both = (phantom(0).voxels > 0) & (phantom(1).voxels > 0)
    rest = (2 * found - phantom(0).voxels)[both]
    assert rest.std() < 0.01 * rest.mean()


def test_scans_that_are_called_alike_stay_apart(tmp_path: Path, out: Path) -> None:
    for site in ("a", "b"):
        write_scan(phantom(1), tmp_path / "real" / f"site-{site}")
    write_as(tmp_path / "real" / "x", np.int16, phantom(9).voxels)
    write_as(tmp_path / "real" / "x y", np.int16, phantom(9).voxels)
    inject(tmp_path / "real", out, "--kinds", "noise")
    assert len({row["scan"] for row in rows(out)}) == 4


def test_a_broken_scan_is_one_sentence_and_exit_code_1(real: Path, out: Path, capsys: Any) -> None:
    (real / "sub-07.nii.gz").write_text("The download failed\n")
    assert inject(real, out, "--kinds", PATCH) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(errors) == 1
    assert "sub-07" in errors[0]
    assert len(rows(out)) == 2


def test_a_fault_without_room_is_one_sentence_and_the_others_go_on(
    tmp_path: Path, out: Path, capsys: Any
) -> None:
    small = replace(phantom(1), voxels=phantom(1).voxels[17:23, 20:26, 17:23])
    write_scan(small, tmp_path / "real")
    assert inject(tmp_path / "real", out, "--kinds", "gibbs,noise") == 1
    assert "at least 8 voxels" in capsys.readouterr().err
    assert [row["kind"] for row in rows(out)] == ["noise"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kinds", "rust"], "Unknown kind of fault: rust"),
        (["--kinds", ""], "Unknown kind of fault: none given"),
        (["--strength", "2"], "above 0 and up to 1"),
        (["--strength", "much"], "expected numbers separated by commas"),
        (["--per-scan", "0"], "number of kinds per scan 0"),
    ],
)
def test_an_invalid_plan_is_refused(
    real: Path, out: Path, capsys: Any, options: Sequence[str], message: str
) -> None:
    assert inject(real, out, *options) == 4
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_that_is_not_empty_is_left_alone(real: Path, out: Path, capsys: Any) -> None:
    out.mkdir()
    (out / "precious.txt").write_text("mine")
    assert inject(real, out) == 4
    assert "is not empty" in capsys.readouterr().err
    assert list(contents(out)) == ["precious.txt"]


def test_a_folder_without_scans_is_refused(tmp_path: Path, out: Path, capsys: Any) -> None:
    (tmp_path / "real").mkdir()
    assert inject(tmp_path / "real", out) == 4
    assert "to plant faults in" in capsys.readouterr().err


def test_nothing_planted_at_all_is_exit_code_4(tmp_path: Path, out: Path, capsys: Any) -> None:
    write_scan(replace(phantom(1), voxels=np.full_like(phantom(1).voxels, 3)), tmp_path / "real")
    assert inject(tmp_path / "real", out, "--kinds", PATCH) == 4
    assert "Nothing was injected" in capsys.readouterr().err
