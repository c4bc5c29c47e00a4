"""Heatmaps and layers are complete files in their folder, with all that they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from pytest_safegen.core.finding import Finding, Verdict
from pytest_safegen.core.score import Heatmap
from pytest_safegen.judging.heatmaps import load_heatmap, save_heatmap, save_layer

PLAIN = Finding("anomaly", "sub-01/a.nii.gz", Verdict.FAIL, "Too bright.", 3.0, 2.0, 0.1)


def heatmap_of(shape: tuple[int, ...] = (3, 4, 5)) -> Heatmap:
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    affine = np.array([[-2, 0, 0, 9], [0, 0, 3, 8], [0, 1.5, 0, 7], [0, 0, 0, 1.0]])
    return Heatmap(values, affine, "how far off, “in units” of é", 4.5, "sub-01/b.nii.gz")


def test_a_heatmap_is_never_seen_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(image: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(nib, "save", full)
    with pytest.raises(OSError, match="no space"):
        save_heatmap(heatmap_of(), tmp_path, PLAIN)
    names = [path.name for path in (tmp_path / "heatmaps").iterdir()]
    assert [name for name in names if not name.startswith("partial-")] == []


@pytest.fixture
def stored(tmp_path: Path) -> Heatmap:
    finding = save_heatmap(heatmap_of(), tmp_path, PLAIN)
    return load_heatmap(tmp_path / str(finding.heatmap))


def test_a_heatmap_keeps_its_values(stored: Heatmap) -> None:
    np.testing.assert_array_equal(stored.values, heatmap_of().values)


def test_a_heatmap_keeps_its_grid(stored: Heatmap) -> None:
    np.testing.assert_allclose(stored.affine, heatmap_of().affine, atol=1e-5)


def test_a_heatmap_keeps_its_words(stored: Heatmap) -> None:
    expected = heatmap_of()
    assert (stored.meaning, stored.ceiling, stored.of) == (
        expected.meaning,
        expected.ceiling,
        expected.of,
    )


def test_the_finding_names_its_heatmap_relative_to_the_folder(tmp_path: Path) -> None:
    finding = save_heatmap(heatmap_of(), tmp_path, PLAIN)
    assert str(finding.heatmap).startswith("heatmaps/")
    assert (tmp_path / str(finding.heatmap)).is_file()


@pytest.mark.parametrize(
    "target", ["../../etc/passwd", "a b/'\"<x>.nii", "é" * 300, "a\udcffb", "", "/root/a.nii"]
)
def test_the_heatmap_of_any_target_lies_in_its_folder(tmp_path: Path, target: str) -> None:
    finding = save_heatmap(heatmap_of(), tmp_path, replace(PLAIN, target=target))
    assert (tmp_path / str(finding.heatmap)).resolve().parent == tmp_path / "heatmaps"


@pytest.mark.parametrize(
    ("one", "two"), [("a/b.nii", "a-b.nii"), ("é.nii", "è.nii"), ("x" * 90 + "a", "y" * 90 + "a")]
)
def test_targets_that_look_alike_have_heatmaps_of_their_own(
    tmp_path: Path, one: str, two: str
) -> None:
    names = {
        save_heatmap(heatmap_of(), tmp_path, replace(PLAIN, target=target)).heatmap
        for target in (one, two)
    }
    assert len(names) == 2


LAYER = replace(heatmap_of(), name="grad-cam")


def test_a_layer_is_a_file_that_its_finding_names(tmp_path: Path) -> None:
    finding = save_layer(LAYER, tmp_path, PLAIN)
    assert load_heatmap(tmp_path / finding.layers["grad-cam"]).name == "grad-cam"


def test_layers_leave_the_heatmap_and_each_other_alone(tmp_path: Path) -> None:
    finding = save_heatmap(heatmap_of(), tmp_path, PLAIN)
    for name in ("grad-cam", "shap"):
        finding = save_layer(replace(LAYER, name=name), tmp_path, finding)
    paths = [finding.heatmap, *finding.layers.values()]
    assert list(finding.layers) == ["grad-cam", "shap"]
    assert len({str(path) for path in paths if (tmp_path / str(path)).is_file()}) == 3


def test_a_check_named_like_a_layer_has_a_file_of_its_own(tmp_path: Path) -> None:
    other = replace(PLAIN, check="anomaly-shap")
    layer = save_layer(replace(LAYER, name="shap"), tmp_path, PLAIN).layers["shap"]
    assert layer != save_heatmap(LAYER, tmp_path, other).heatmap


@pytest.mark.parametrize("name", ["../../up", "a/b", "", "é", "a\0b"])
def test_the_layer_of_any_name_lies_in_the_folder(tmp_path: Path, name: str) -> None:
    finding = save_layer(replace(LAYER, name=name), tmp_path, PLAIN)
    assert (tmp_path / finding.layers[name]).resolve().parent == tmp_path / "heatmaps"


def test_a_heatmap_that_somebody_else_wrote_has_defaults(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.float32), np.eye(4)), tmp_path / "a.nii.gz")
    assert load_heatmap(tmp_path / "a.nii.gz").ceiling == 3.0
