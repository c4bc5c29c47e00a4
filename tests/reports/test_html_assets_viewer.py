"""The viewer of a scan in a real browser, against the NIfTI that it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from browser import READY, Tab, opened
from report_site import AFFINE, SETTINGS, WORST, Site

from pytest_safegen import Finding, Heatmap, Release, Run, ScanRef, Series, Verdict
from pytest_safegen.judging.heatmaps import save_heatmap
from safegen_reports import safegen_write_report

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OBLIQUE = np.array(
    [[0.2, -1.9, 0.3, 20], [-1.5, -0.1, 0.2, 31], [0.1, 0.3, 2.8, -40], [0, 0, 0, 1]]
)
READOUT = re.compile(r"\((.+?)\) mm voxel \((.+?)\) value (\S+)")


@pytest.fixture
def tab(explained: Site, browser: Any) -> Iterator[Tab]:
    """The page of the failing scan, whose viewer is ready."""
    with opened(browser, _page(explained.folder, "sub-2-a-nii")) as opened_tab:
        opened_tab.page.wait_for_selector(READY)
        yield opened_tab


def _page(folder: Path, name: str) -> Path:
    (path,) = folder.glob(f"*/*{name}*.html")
    return path


def _readout(tab: Tab) -> tuple[np.ndarray, np.ndarray, float]:
    """Millimetres, voxel and value that the read-out names, after the next picture is drawn."""
    tab.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    found = READOUT.search(tab.text(".readout"))
    assert found
    numbers = [np.array([float(part) for part in text.split(",")]) for text in found.groups()[:2]]
    return numbers[0], numbers[1].astype(int), float(found[3])


def _canvas(tab: Tab, plane: str) -> Any:
    return tab.page.locator(f"canvas[data-plane={plane}]").first


def test_it_opens_at_the_worst_voxel_of_the_first_map(tab: Tab) -> None:
    mm, voxel, _ = _readout(tab)
    assert tuple(voxel) == WORST
    assert tuple(mm) == (2.0 * WORST[0], 2.0 * WORST[1], 3.0 * WORST[2])


def test_the_readout_gives_how_high_the_map_is_there(tab: Tab) -> None:
    assert "anomaly · score 2.5 × limit" in tab.text(".readout")


@pytest.mark.parametrize(
    ("plane", "key", "step"),
    [
        ("axial", "ArrowLeft", (1, 0, 0)),
        ("axial", "ArrowRight", (-1, 0, 0)),
        ("axial", "ArrowUp", (0, 1, 0)),
        ("axial", "PageUp", (0, 0, 1)),
        ("coronal", "ArrowDown", (0, 0, -1)),
        ("coronal", "PageDown", (0, -1, 0)),
        ("sagittal", "ArrowLeft", (0, 1, 0)),
        ("sagittal", "PageUp", (1, 0, 0)),
    ],
)
def test_the_keyboard_moves_by_a_voxel(tab: Tab, plane, key, step) -> None:
    _canvas(tab, plane).focus()
    tab.page.keyboard.press(key)
    assert tuple(_readout(tab)[1]) == tuple(np.add(WORST, step))


def test_home_leads_back_to_the_worst_voxel(tab: Tab) -> None:
    _canvas(tab, "axial").focus()
    for key in ("ArrowLeft", "PageUp", "PageUp", "Home"):
        tab.page.keyboard.press(key)
    assert tuple(_readout(tab)[1]) == WORST


def test_the_wheel_goes_through_the_slices(tab: Tab) -> None:
    _canvas(tab, "axial").hover()
    tab.page.mouse.wheel(0, 100)
    assert tuple(_readout(tab)[1]) == (WORST[0], WORST[1], WORST[2] - 1)


def test_all_planes_follow_the_slider_of_one(tab: Tab) -> None:
    slider = tab.page.get_by_label("sagittal slice, position")
    slider.focus()
    tab.page.keyboard.press("End")
    assert _readout(tab)[1][0] == 11


def test_another_map_shows_its_own_worst_place(tab: Tab) -> None:
    tab.page.get_by_label("anomaly · shap").check()
    assert tuple(_readout(tab)[1]) == (9, 4, 2)
    assert "anomaly · shap 1.5 × limit" in tab.text(".readout")
    assert "Share of each place in the score" in tab.text(".about")


def test_the_button_of_a_finding_leads_to_its_worst_place(tab: Tab) -> None:
    _canvas(tab, "axial").focus()
    tab.page.keyboard.press("PageUp")
    tab.page.get_by_role("button", name="Show the worst place in the viewer").click()
    assert tuple(_readout(tab)[1]) == WORST


def _colour_at_crosshair(tab: Tab) -> list[int]:
    _readout(tab)
    script = """() => {
        const slice = safegen.viewer.slices[0];
        const { left, top, width, height } = slice.box();
        const [i, j] = safegen.viewer.index;
        const [ni, nj] = slice.voxels.shape;
        const x = left + (ni - i - 0.5) / ni * width, y = top + (nj - j - 0.5) / nj * height;
        return [...slice.canvas.getContext("2d").getImageData(x, y, 1, 1).data].slice(0, 3);
    }"""
    found: list[int] = tab.page.evaluate(script)
    return found


def test_without_a_map_the_scan_is_grey(tab: Tab) -> None:
    tab.page.get_by_label("none").check()
    red, green, blue = _colour_at_crosshair(tab)
    assert red == green == blue


def test_a_map_is_coloured_as_in_the_still_pictures(tab: Tab) -> None:
    from safegen_reports.html.images.slices import MAX_OPACITY, apply_colour_map

    tab.page.get_by_label("none").check()
    grey = np.array(_colour_at_crosshair(tab))
    tab.page.get_by_label("anomaly · score").check()
    map_colour = apply_colour_map(np.array([2.5], dtype=np.float32), ceiling=3.0)[0]
    expected = grey + MAX_OPACITY * (map_colour.astype(float) - grey)
    assert np.abs(np.array(_colour_at_crosshair(tab)) - expected).max() < 12


def test_opacity_fades_the_map(tab: Tab) -> None:
    tab.page.get_by_label("Map opacity").fill("0")
    red, green, blue = _colour_at_crosshair(tab)
    assert red == green == blue


def test_a_higher_level_is_darker_and_reset_brings_it_back(tab: Tab) -> None:
    tab.page.get_by_label("none").check()
    usual = _colour_at_crosshair(tab)[0]
    tab.page.get_by_label("Level").fill("700")
    darker = _colour_at_crosshair(tab)[0]
    tab.page.get_by_role("button", name="Reset").click()
    assert darker < usual == _colour_at_crosshair(tab)[0]


def _mask(folder: Path, lesion: tuple[int, int, int] | None, shape: tuple[int, ...]) -> Path | None:
    """A mask of one voxel, if one is asked for."""
    if lesion is None:
        return None
    mask = np.zeros(shape, dtype=np.uint8)
    mask[lesion] = 1
    nib.save(nib.Nifti1Image(mask, OBLIQUE), folder / "mask.nii")
    return folder / "mask.nii"


def _oblique_report(
    folder: Path, *, peak: float = 2.0, lesion: tuple[int, int, int] | None = None
) -> tuple[Path, np.ndarray]:
    """The report of one scan on an oblique, flipped grid, with a different value in each voxel."""
    values = np.arange(9 * 11 * 7, dtype=np.int16).reshape(9, 11, 7)
    path = folder / "a.nii"
    nib.save(nib.Nifti1Image(values, OBLIQUE), path)
    ref = ScanRef("a.nii", "a", None, "T1w", path, mask=_mask(folder, lesion, values.shape))
    heatmap = np.zeros(values.shape, dtype=np.float32)
    heatmap[7, 2, 5] = peak
    finding = Finding("anomaly", "a.nii", Verdict.FAIL, "Odd.", 2.0, 1.0)
    finding = save_heatmap(Heatmap(heatmap, OBLIQUE, "odd"), folder / "report", finding)
    run = Run("1", "now", Verdict.FAIL, (), ("data",), "enforce", (finding,), {})
    release = Release(folder, (Series("a", "a", (ref,)),))
    safegen_write_report(run, [release], folder / "report", SETTINGS)
    return folder / "report", values


def test_the_read_out_agrees_with_the_nifti_wherever_one_clicks(
    browser: Any, tmp_path: Path
) -> None:
    folder, values = _oblique_report(tmp_path)
    with opened(browser, _page(folder, "a-nii")) as tab:
        tab.page.wait_for_selector(READY)
        assert tuple(_readout(tab)[1]) == (7, 2, 5)
        for plane, x, y in [("axial", 0.5, 0.4), ("coronal", 0.55, 0.6), ("sagittal", 0.4, 0.45)]:
            box = _canvas(tab, plane).bounding_box()
            tab.page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
            mm, voxel, value = _readout(tab)
            np.testing.assert_allclose(OBLIQUE[:3, :3] @ voxel + OBLIQUE[:3, 3], mm, atol=0.051)
            assert value == values[tuple(voxel)]


@pytest.mark.parametrize(("peak", "place"), [(0.2, (3, 8, 1)), (2.0, (7, 2, 5))])
def test_where_the_map_shows_nothing_it_opens_in_the_annotated_lesion(
    browser: Any, tmp_path: Path, peak, place
) -> None:
    folder, _ = _oblique_report(tmp_path, peak=peak, lesion=(3, 8, 1))
    with opened(browser, _page(folder, "a-nii")) as tab:
        tab.page.wait_for_selector(READY)
        assert tuple(_readout(tab)[1]) == place


def test_the_timepoints_of_a_series_are_linked(explained: Site, browser: Any) -> None:
    with opened(browser, _page(explained.folder, "series-sub-2")) as tab:
        tab.page.wait_for_selector(READY)
        assert tab.page.locator("canvas[data-plane=axial]").count() == 2
        _canvas(tab, "axial").focus()
        tab.page.keyboard.press("ArrowLeft")
        mm, voxel, _ = _readout(tab)
        assert tuple(voxel) == (WORST[0] + 1, WORST[1], WORST[2])
        np.testing.assert_allclose(AFFINE[:3, :3] @ voxel, mm, atol=0.051)


def test_niivue_shows_scan_and_map_in_three_dimensions(explained: Site, browser: Any) -> None:
    solid = explained.with_viewer("niivue")
    with opened(browser, _page(solid.folder, "sub-2-a-nii")) as tab:
        tab.page.wait_for_selector(READY)
        tab.page.get_by_text("3-D view").click()
        # WebGL in software on busy cores takes its time.
        tab.page.wait_for_selector("canvas.niivue[data-volumes='2']", timeout=120_000)
        assert [line for line in tab.console if line.startswith("error")] == []


def test_niivue_is_not_there_unless_asked_for(explained: Site) -> None:
    assert list(explained.folder.rglob("niivue*")) == []
