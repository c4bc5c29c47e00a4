"""Draws a scan and a heatmap as PNG slices, and tells the page what it needs to show them."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pytest_safegen.api import Heatmap, SafegenError, Scan, write_bytes
from safegen_reports.html.colours import CLEAR_BELOW, overlay, scale
from safegen_reports.html.planes import (
    PLANES,
    Plane,
    Point,
    Volume,
    Voxel,
    centre_of_mass,
    cut,
    position,
    to_ras,
    window,
    world,
    worst_voxel,
)

THUMBNAIL = 96
COMPRESSION = 4  # of PNG: five times quicker than the usual 6, and 2 % larger
SIDE = 360
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
    place: Point
    peak: float | None = None
    worst: Point | None = None
    meaning: str = ""
    ceiling: float = 0.0

    @property
    def paths(self) -> list[str]:
        """The files of the pictures, relative to the report folder."""
        return [path for panel in self.panels for path in (panel.base, panel.overlay) if path]

    @property
    def limit_at(self) -> float:
        """Where 1.0 lies on the colour bar, 0 to 1."""
        return min(1.0, (1.0 - CLEAR_BELOW) / max(self.ceiling - CLEAR_BELOW, 1e-6))


@dataclass(frozen=True, slots=True)
class Brush:
    """Where and how one figure is drawn: names, pixels a mm, grey window."""

    folder: Path
    stem: str
    pixels_per_mm: float
    window: tuple[float, float]


def draw(
    scan: Scan, heatmap: Heatmap | None, *, folder: Path, stem: str, under: Figure | None = None
) -> Figure:
    """Write the slices to `images/` and describe them: those of another figure of the scan if one
    is given, else through the heatmap's worst voxel, or through the scan's centre of mass.

    Raises SafegenError where the scan's geometry or the heatmap's grid does not allow it.
    """
    volume = to_ras(scan.voxels, scan.affine)
    heat = to_ras(_on_grid(heatmap, scan), scan.affine) if heatmap else None
    worst = _worst(heat) if heat else None
    voxel = under.voxel if under else worst or centre_of_mass(volume.values)
    bases = [panel.base for panel in under.panels] if under else [None] * len(PLANES)
    brush = Brush(folder, stem, SIDE / float(volume.extent.max()), window(volume.values))
    ceiling = heatmap.ceiling if heatmap else 0.0
    panels = tuple(
        _panel(brush, plane, voxel, volume, heat, ceiling, base)
        for plane, base in zip(PLANES, bases, strict=True)
    )
    return Figure(
        target=scan.ref.target,
        panels=panels,
        voxel=voxel,
        place=world(volume, voxel),
        peak=float(heat.values[worst]) if heat and worst else None,
        worst=world(volume, worst) if worst else None,
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
    small = picture.convert("RGB").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR)
    _save(folder / name, small)
    return name


def write_scale(folder: Path) -> None:
    """Write the colour bar that all pages share."""
    _save(folder / "assets" / "scale.png", Image.fromarray(scale()))


def _on_grid(heatmap: Heatmap, scan: Scan) -> NDArray[np.float32]:
    same = heatmap.values.shape == scan.voxels.shape
    if not same or not np.allclose(heatmap.affine, scan.affine, atol=1e-2):
        raise SafegenError(f"The heatmap is not on the grid of {scan.ref.target}; it is not drawn.")
    return heatmap.values


def _worst(heat: Volume) -> Voxel:
    worst = worst_voxel(heat.values)
    if worst is None:
        raise SafegenError("The heatmap holds no finite value; it is not drawn.")
    return worst


def _panel(
    brush: Brush,
    plane: Plane,
    voxel: Voxel,
    volume: Volume,
    heat: Volume | None,
    ceiling: float,
    base: str | None,
) -> Panel:
    width, height = _size(brush, plane, volume)
    left, top = (SIDE - width) // 2, (SIDE - height) // 2
    if base is None:
        grey = _grey(cut(volume, plane, voxel), brush.window).resize((width, height))
        base = _write(brush, f"{plane.name}.png", _framed(grey, (left, top)))
    over = None
    if heat:
        warm = Image.fromarray(np.ascontiguousarray(cut(heat, plane, voxel), dtype=np.float32))
        fine = warm.resize((width, height), Image.Resampling.BILINEAR)
        coloured = Image.fromarray(overlay(np.asarray(fine), ceiling=ceiling))
        over = _write(brush, f"{plane.name}-heat.png", _framed(coloured, (left, top)))
    x, y = (mm * brush.pixels_per_mm for mm in position(volume, plane, voxel))
    return Panel(plane, base, over, round(left + x, 1), round(top + y, 1))


def _size(brush: Brush, plane: Plane, volume: Volume) -> tuple[int, int]:
    width, height = (
        min(SIDE, max(1, round(float(volume.extent[axis]) * brush.pixels_per_mm)))
        for axis in plane.axes
    )
    return width, height


def _grey(values: NDArray[Any], limits: tuple[float, float]) -> Image.Image:
    low, high = limits
    clean = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    return Image.fromarray((np.clip((clean - low) / (high - low), 0, 1) * 255).astype(np.uint8))


def _framed(picture: Image.Image, corner: tuple[int, int]) -> Image.Image:
    frame = Image.new(picture.mode, (SIDE, SIDE))
    frame.paste(picture, corner)
    return frame


def _write(brush: Brush, ending: str, picture: Image.Image) -> str:
    name = f"images/{brush.stem}-{ending}"
    _save(brush.folder / name, picture)
    return name


def _save(path: Path, picture: Image.Image) -> None:
    content = BytesIO()
    picture.save(content, "PNG", compress_level=COMPRESSION)
    write_bytes(path, content.getvalue())
