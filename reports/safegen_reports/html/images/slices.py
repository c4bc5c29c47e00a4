"""Slices of a scan as PNG files, with its heatmap as an overlay.

All heatmaps share one colour map in units of the limit: transparent below 0.5, outlined
from 1.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pytest_safegen.api import Heatmap, SafegenError, Scan, write_bytes
from safegen_reports.html.images.geometry import (
    PLANES,
    Plane,
    Volume,
    Voxel,
    WorldPoint,
    centre_of_mass,
    extract_slice,
    intensity_window,
    position_in_slice,
    to_ras,
    voxel_to_world,
    worst_voxel,
)

TRANSPARENT_BELOW = 0.5
MAX_OPACITY = 0.72
CONTOUR_COLOUR = (64, 224, 255)

# The upper part of the inferno scale (van der Walt and Smith, CC0): its lightness rises evenly,
# so it reads in grey print and to colour-blind eyes; its dark part would vanish on a dark scan.
COLOUR_STOPS = np.array(
    [
        (120, 28, 109),
        (165, 44, 96),
        (207, 68, 70),
        (237, 105, 37),
        (251, 155, 6),
        (247, 209, 61),
        (252, 255, 164),
    ],
    dtype=np.float64,
)


def apply_colour_map(values: NDArray[np.float32], *, ceiling: float) -> NDArray[np.uint8]:
    """RGB (..., 3) of heatmap values, from 0.5 at the scale's foot to the ceiling at its head."""
    height = np.clip((values - TRANSPARENT_BELOW) / max(ceiling - TRANSPARENT_BELOW, 1e-6), 0, 1)
    at = height * (len(COLOUR_STOPS) - 1)
    channels = [
        np.interp(at, np.arange(len(COLOUR_STOPS)), COLOUR_STOPS[:, channel])
        for channel in range(3)
    ]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def render_overlay(values: NDArray[np.float32], *, ceiling: float) -> NDArray[np.uint8]:
    """RGBA (rows, columns, 4): clear below 0.5, a bright line around what reaches 1.0."""
    values = np.nan_to_num(values, nan=0.0, posinf=ceiling, neginf=0.0)
    opacity = np.clip((values - TRANSPARENT_BELOW) / (1 - TRANSPARENT_BELOW), 0, 1) * MAX_OPACITY
    picture = np.dstack(
        [apply_colour_map(values, ceiling=ceiling), (opacity * 255).astype(np.uint8)]
    )
    picture[_contour(values >= 1.0)] = (*CONTOUR_COLOUR, 255)
    return picture


def colour_bar() -> NDArray[np.uint8]:
    """The colour bar (16, 256, 3), from 0.5 on the left to the ceiling on the right."""
    run = np.linspace(TRANSPARENT_BELOW, 1.0, 256, dtype=np.float32)
    return np.tile(apply_colour_map(run, ceiling=1.0), (16, 1, 1))


def _contour(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels inside that touch one outside, two pixels wide, so that they show in print."""
    line: NDArray[np.bool_] = inside & ~_eroded(_eroded(inside))
    return line


def _eroded(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    frame = np.pad(inside, 1)
    neighbours = (frame[:-2, 1:-1], frame[2:, 1:-1], frame[1:-1, :-2], frame[1:-1, 2:])
    surrounded: NDArray[np.bool_] = np.logical_and.reduce((inside, *neighbours))
    return surrounded


THUMBNAIL_SIDE = 96
PNG_COMPRESSION = 4  # of PNG: five times quicker than the usual 6, and 2 % larger
PICTURE_SIDE = 360
"""Pixels of a picture's side; the volume's longest axis fills it, so all three share one scale."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One slice: its pictures, relative to the report folder, and the mark's place in pixels."""

    plane: Plane
    base: str
    overlay: str | None
    mark_x: float
    mark_y: float


@dataclass(frozen=True, slots=True)
class Figure:
    """Three slices through one voxel, which lies at `place` (mm, RAS+); `peak` and what follows
    only with a heatmap.

    `worst` is where the peak is: the place itself, unless the slices are those of another map.
    """

    target: str
    panels: tuple[Panel, ...]
    voxel: Voxel
    place: WorldPoint
    peak: float | None = None
    worst: WorldPoint | None = None
    meaning: str = ""
    ceiling: float = 0.0

    @property
    def paths(self) -> list[str]:
        """The files of the pictures, relative to the report folder."""
        return [path for panel in self.panels for path in (panel.base, panel.overlay) if path]

    @property
    def limit_at(self) -> float:
        """Where 1.0 lies on the colour bar, 0 to 1."""
        return min(1.0, (1.0 - TRANSPARENT_BELOW) / max(self.ceiling - TRANSPARENT_BELOW, 1e-6))


@dataclass(frozen=True, slots=True)
class DrawingOptions:
    """Folder, file stem, scale and intensity window of one figure."""

    folder: Path
    stem: str
    pixels_per_mm: float
    window: tuple[float, float]


def draw_figure(
    scan: Scan, heatmap: Heatmap | None, *, folder: Path, stem: str, under: Figure | None = None
) -> Figure:
    """Write the slices to `images/` and describe them: those of another figure of the scan if one
    is given, else through the heatmap's worst voxel, or through the scan's centre of mass.

    Raises SafegenError where the scan's geometry or the heatmap's grid does not allow it.
    """
    volume = to_ras(scan.voxels, scan.affine)
    values = to_ras(_values_on_scan_grid(heatmap, scan), scan.affine) if heatmap else None
    worst = _require_worst_voxel(values) if values else None
    voxel = under.voxel if under else worst or centre_of_mass(volume.values)
    bases = [panel.base for panel in under.panels] if under else [None] * len(PLANES)
    options = DrawingOptions(
        folder, stem, PICTURE_SIDE / float(volume.extent.max()), intensity_window(volume.values)
    )
    ceiling = heatmap.ceiling if heatmap else 0.0
    panels = tuple(
        _draw_panel(options, plane, voxel, volume, values, ceiling, base)
        for plane, base in zip(PLANES, bases, strict=True)
    )
    return Figure(
        target=scan.ref.target,
        panels=panels,
        voxel=voxel,
        place=voxel_to_world(volume, voxel),
        peak=float(values.values[worst]) if values and worst else None,
        worst=voxel_to_world(volume, worst) if worst else None,
        meaning=heatmap.meaning if heatmap else "",
        ceiling=ceiling,
    )


def write_thumbnail(figure: Figure, folder: Path, stem: str) -> str:
    """Write the axial slice with its heatmap, small, as one picture; its path in the report."""
    panel = figure.panels[0]
    with Image.open(folder / panel.base) as base:
        picture = base.convert("RGBA")
    if panel.overlay:
        with Image.open(folder / panel.overlay) as over:
            picture.alpha_composite(over.convert("RGBA"))
    name = f"images/{stem}-thumb.png"
    small = picture.convert("RGB").resize(
        (THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BILINEAR
    )
    _save_png(folder / name, small)
    return name


def write_colour_bar(folder: Path) -> None:
    """Write the colour bar that all pages share."""
    _save_png(folder / "assets" / "scale.png", Image.fromarray(colour_bar()))


def _values_on_scan_grid(heatmap: Heatmap, scan: Scan) -> NDArray[np.float32]:
    same = heatmap.values.shape == scan.voxels.shape
    if not same or not np.allclose(heatmap.affine, scan.affine, atol=1e-2):
        raise SafegenError(f"The heatmap is not on the grid of {scan.ref.target}; it is not drawn.")
    return heatmap.values


def _require_worst_voxel(heatmap: Volume) -> Voxel:
    worst = worst_voxel(heatmap.values)
    if worst is None:
        raise SafegenError("The heatmap holds no finite value; it is not drawn.")
    return worst


def _draw_panel(
    options: DrawingOptions,
    plane: Plane,
    voxel: Voxel,
    volume: Volume,
    heatmap: Volume | None,
    ceiling: float,
    base: str | None,
) -> Panel:
    width, height = _slice_size(options, plane, volume)
    left, top = (PICTURE_SIDE - width) // 2, (PICTURE_SIDE - height) // 2
    if base is None:
        grey = _to_greyscale(extract_slice(volume, plane, voxel), options.window).resize(
            (width, height)
        )
        base = _write_picture(options, f"{plane.name}.png", _pad_to_square(grey, (left, top)))
    overlay = None
    if heatmap:
        values = Image.fromarray(
            np.ascontiguousarray(extract_slice(heatmap, plane, voxel), dtype=np.float32)
        )
        enlarged = values.resize((width, height), Image.Resampling.BILINEAR)
        coloured = Image.fromarray(render_overlay(np.asarray(enlarged), ceiling=ceiling))
        overlay = _write_picture(
            options, f"{plane.name}-heatmap.png", _pad_to_square(coloured, (left, top))
        )
    x, y = (mm * options.pixels_per_mm for mm in position_in_slice(volume, plane, voxel))
    return Panel(plane, base, overlay, round(left + x, 1), round(top + y, 1))


def _slice_size(options: DrawingOptions, plane: Plane, volume: Volume) -> tuple[int, int]:
    width, height = (
        min(PICTURE_SIDE, max(1, round(float(volume.extent[axis]) * options.pixels_per_mm)))
        for axis in plane.axes
    )
    return width, height


def _to_greyscale(values: NDArray[Any], limits: tuple[float, float]) -> Image.Image:
    low, high = limits
    clean = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    return Image.fromarray((np.clip((clean - low) / (high - low), 0, 1) * 255).astype(np.uint8))


def _pad_to_square(picture: Image.Image, corner: tuple[int, int]) -> Image.Image:
    frame = Image.new(picture.mode, (PICTURE_SIDE, PICTURE_SIDE))
    frame.paste(picture, corner)
    return frame


def _write_picture(options: DrawingOptions, ending: str, picture: Image.Image) -> str:
    name = f"images/{options.stem}-{ending}"
    _save_png(options.folder / name, picture)
    return name


def _save_png(path: Path, picture: Image.Image) -> None:
    content = BytesIO()
    picture.save(content, "PNG", compress_level=PNG_COMPRESSION)
    write_bytes(path, content.getvalue(), durable=False)
