"""The settings that all scans of a cohort are prepared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Intensity = Literal["mr", "ct"]

Alignment = Literal["affine", "centre"]


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """The settings that all scans of a cohort are prepared with.

    `spacing` in mm; `intensity` is the kind of scale; `align` is "affine" for scans of a whole
    body part with background around it, "centre" for crops that tissue fills to the border.
    """

    spacing: float
    intensity: Intensity
    align: Alignment
