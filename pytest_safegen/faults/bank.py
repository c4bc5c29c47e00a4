"""The table of all families, and how one of them is planted."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

import numpy as np

from pytest_safegen.faults import (
    ct,
    dropout,
    filters,
    foreign,
    geometry,
    intensity,
    kspace,
    noise,
    patterns,
    slices,
    warps,
)
from pytest_safegen.faults.model import Canvas, Family, Planted

_THEMES = (
    noise,
    dropout,
    intensity,
    filters,
    patterns,
    foreign,
    warps,
    geometry,
    kspace,
    slices,
    ct,
)

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {family.name: family for theme in _THEMES for family in theme.FAMILIES}
)
"""Every family by its name, local ones and those of the whole scan, in the order of the themes."""


def family(name: str) -> Family:
    """The family of that name; ValueError, with the nearest names, if there is none."""
    if name not in FAMILIES:
        near = get_close_matches(name, FAMILIES, n=3, cutoff=0.4)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"Unknown fault family {name!r}.{hint}")
    return FAMILIES[name]


def plant(name: str, canvas: Canvas, *, strength: float, random: np.random.Generator) -> Planted:
    """A fault of one family in a canvas, which stays as it is.

    `strength` is a dose above 0 and up to 1: 0.2 is hard to see, 1.0 is obvious. The same generator
    state gives the same fault. Raises ValueError for an unknown family, a strength out of range, a
    canvas of a single value, and one whose shape has no room for this fault.
    """
    chosen = family(name)
    if not 0 < strength <= 1:
        raise ValueError(f"Invalid strength {strength:g}: expected above 0 and up to 1.")
    if not canvas.contrast > 0:
        raise ValueError("All voxels of this scan have the same value, so no fault would show.")
    planted = chosen.plant(canvas, float(strength), random)
    assert np.isfinite(planted.voxels).all(), f"{name} made voxels that are not finite"  # noqa: S101
    return planted
