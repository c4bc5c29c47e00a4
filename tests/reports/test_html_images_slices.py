"""Slices and their heatmaps as pictures: scale in mm, places, colours."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from pytest_safegen import Heatmap, SafegenError, Scan, ScanRef
from safegen_reports.html.images.slices import (
    CONTOUR_COLOUR,
    MAX_OPACITY,
    PICTURE_SIDE,
    Panel,
    apply_colour_map,
    colour_bar,
    draw_figure,
    render_overlay,
    write_colour_bar,
)

pytestmark = pytest.mark.slow

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"
REF = ScanRef("a.nii", "a", None, None, Path("a.nii"))
SPACING = (2.0, 2.0, 3.0)


def _scan(voxels: np.ndarray, spacing: tuple[float, float, float] = SPACING) -> Scan:
    return Scan(REF, voxels.astype(np.float32), np.diag([*spacing, 1.0]))


def _noise(shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(0).uniform(100, 200, shape)


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def _lit(folder: Path, panel: Panel) -> tuple[int, int]:
    rows, columns = np.nonzero(_pixels(folder / panel.base))
    return int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


@pytest.mark.parametrize(("number", "mm"), [(0, (24, 28)), (1, (24, 60)), (2, (28, 60))])
def test_slices_are_true_to_scale_in_mm(tmp_path, number, mm) -> None:
    """The scan is 24 x 28 x 60 mm, so that its height fills the picture."""
    figure = draw_figure(_scan(_noise((12, 14, 20))), None, folder=tmp_path, stem="a")
    expected = tuple(round(length * PICTURE_SIDE / 60) for length in mm)
    assert _lit(tmp_path, figure.panels[number]) == expected


def test_without_a_heatmap_the_slices_go_through_the_middle(tmp_path) -> None:
    voxels = np.zeros((9, 9, 9))
    voxels[5:8, 1:4, 3:6] = 100
    figure = draw_figure(_scan(voxels), None, folder=tmp_path, stem="a")
    assert (figure.place, figure.peak) == ((12.0, 4.0, 12.0), None)


def test_with_a_heatmap_the_slices_go_through_its_worst_voxel(tmp_path) -> None:
    scan = _scan(_noise((6, 7, 8)))
    values = np.zeros((6, 7, 8), dtype=np.float32)
    values[1, 5, 2] = 4.5
    figure = draw_figure(scan, Heatmap(values, scan.affine, "odd"), folder=tmp_path, stem="a")
    assert (figure.place, figure.peak) == ((2.0, 10.0, 6.0), 4.5)


def test_nan_in_a_scan_is_drawn_black(tmp_path) -> None:
    voxels = _noise((9, 9, 9))
    voxels[:, :, 4] = np.nan
    figure = draw_figure(_scan(voxels, (1.0, 1.0, 1.0)), None, folder=tmp_path, stem="a")
    assert figure.place[2] == 4.0
    assert not _pixels(tmp_path / figure.panels[0].base).any()


@pytest.mark.parametrize("spacing", [(1e-3, 1.0, 1.0), (500.0, 0.1, 1.0)])
def test_a_strange_spacing_is_drawn_within_the_picture(tmp_path, spacing) -> None:
    figure = draw_figure(_scan(_noise((4, 5, 6)), spacing), None, folder=tmp_path, stem="a")
    shapes = {_pixels(tmp_path / panel.base).shape for panel in figure.panels}
    assert shapes == {(PICTURE_SIDE, PICTURE_SIDE)}


@pytest.mark.parametrize("shift", [0.0, 4.0])
def test_a_heatmap_of_another_grid_is_refused(tmp_path, shift) -> None:
    scan = _scan(_noise((4, 4, 4)))
    affine = np.array(scan.affine)
    affine[0, 3] = shift
    values = np.ones((4, 4, 4 if shift else 5), dtype=np.float32)
    with pytest.raises(SafegenError, match="not on the grid of"):
        draw_figure(scan, Heatmap(values, affine, "odd"), folder=tmp_path, stem="a")


def test_a_heatmap_of_nan_is_refused(tmp_path) -> None:
    scan = _scan(_noise((4, 4, 4)))
    values = np.full((4, 4, 4), np.nan, dtype=np.float32)
    with pytest.raises(SafegenError, match="no finite value"):
        draw_figure(scan, Heatmap(values, scan.affine, "odd"), folder=tmp_path, stem="a")


def test_the_limit_lies_on_the_colour_bar_where_its_colour_is(tmp_path) -> None:
    scan = _scan(_noise((4, 4, 4)))
    heatmap = Heatmap(np.ones((4, 4, 4), dtype=np.float32), scan.affine, "odd", ceiling=2.5)
    assert draw_figure(scan, heatmap, folder=tmp_path, stem="a").limit_at == 0.25


def test_the_colour_bar_is_a_picture(tmp_path) -> None:
    write_colour_bar(tmp_path)
    assert _pixels(tmp_path / "assets" / "scale.png").shape == (16, 256, 3)


@pytest.mark.real
def test_a_real_scan_fills_most_of_its_picture(tmp_path) -> None:
    paths = sorted(REAL.glob("ixi-t1/sub-*/anat/*_T1w.nii.gz"))
    if not paths:
        pytest.skip("the real scans (shared/data/ixi-t1) are not here")
    image = nib.load(paths[0])
    scan = Scan(REF, np.asarray(image.dataobj, dtype=np.float32), image.affine)
    figure = draw_figure(scan, None, folder=tmp_path, stem="a")
    for panel in figure.panels:
        assert min(_lit(tmp_path, panel)) > PICTURE_SIDE / 2


def _flat(value: float) -> np.ndarray:
    return np.full((5, 5), value, dtype=np.float32)


@pytest.mark.parametrize("value", [-1.0, 0.0, 0.5, np.nan, -np.inf])
def test_below_half_the_limit_nothing_is_drawn(value) -> None:
    assert (render_overlay(_flat(value), ceiling=3.0)[..., 3] == 0).all()


def test_between_half_and_the_limit_the_colour_fades_in() -> None:
    opacity = render_overlay(_flat(0.75), ceiling=3.0)[..., 3]
    assert (opacity == int(0.5 * MAX_OPACITY * 255)).all()


def test_a_line_surrounds_what_reaches_the_limit() -> None:
    values = np.zeros((11, 11), dtype=np.float32)
    values[2:9, 2:9] = 1.0
    line = (render_overlay(values, ceiling=3.0)[..., :3] == CONTOUR_COLOUR).all(axis=-1)
    inside, hole = np.zeros((2, 11, 11), dtype=bool)
    inside[2:9, 2:9] = True
    hole[4:7, 4:7] = True
    np.testing.assert_array_equal(line, inside & ~hole)


def test_no_line_is_drawn_below_the_limit() -> None:
    picture = render_overlay(_flat(0.99), ceiling=3.0)
    assert not (picture[..., :3] == CONTOUR_COLOUR).all(axis=-1).any()


def test_one_value_has_one_colour_whatever_else_the_map_holds() -> None:
    alone = apply_colour_map(np.array([1.4], dtype=np.float32), ceiling=3.0)
    beside = apply_colour_map(np.array([1.4, 2.9], dtype=np.float32), ceiling=3.0)
    np.testing.assert_array_equal(alone[0], beside[0])


def test_what_is_above_the_ceiling_has_the_last_colour() -> None:
    top, above = apply_colour_map(np.array([3.0, 99.0], dtype=np.float32), ceiling=3.0)
    np.testing.assert_array_equal(top, above)


def test_worse_is_lighter_all_along_the_scale() -> None:
    lightness = colour_bar()[0].astype(float) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) >= -1e-9).all()
    assert lightness[-1] - lightness[0] > 150


def test_a_ceiling_at_the_foot_of_the_scale_divides_by_nothing() -> None:
    assert np.isfinite(render_overlay(_flat(1.0), ceiling=0.5)).all()
