"""How large the diffusion model is, for processors and for graphics cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from pytest_safegen.api import UsageProblem
from safegen_detectors.anomaly.model import Sample

SizeName = Literal["auto", "small", "large"]


@dataclass(frozen=True, slots=True)
class Size:
    """A network and its diet; `spacing` in mm is the finest grid that it works on.

    `level` of noise is added to a scan, and taken away in `restore` steps. A network of short
    training adds errors with each step: it is best asked once, from much noise, for the mean of
    what the scan may have been.
    """

    spacing: float
    channels: tuple[int, ...]
    blocks: int
    groups: int
    steps: int
    batch: int
    level: int = 400
    restore: int = 1

    @property
    def stride(self) -> int:
        """By how much the network shrinks each side."""
        return int(2 ** (len(self.channels) - 1))


SIZES: Mapping[str, Size] = {
    "small": Size(4.0, (16, 32, 64), blocks=1, groups=8, steps=130, batch=2),
    "large": Size(
        1.0, (32, 64, 128, 256), blocks=2, groups=16, steps=6000, batch=4, level=250, restore=5
    ),
}


def size_for(size: SizeName | Size, device: str) -> Size:
    """A size by name; "auto" is large on a graphics card and small elsewhere.

    Raises:
        UsageProblem: there is no such size.
    """
    if isinstance(size, Size):
        return size
    if size == "auto":
        size = "large" if torch.device(device).type == "cuda" else "small"
    if size not in SIZES:
        raise UsageProblem(f"The size of diffusion is auto, {' or '.join(SIZES)}, not {size!r}.")
    return SIZES[size]


def size_of(facts: Mapping[str, Any]) -> Size:
    """The size whose fields these are, perhaps read from JSON."""
    return Size(**{**facts, "channels": tuple(facts["channels"])})


def pooling(size: Size, sample: Sample) -> int:
    """How many voxels along each side are averaged into one."""
    return max(1, round(size.spacing / sample.spacing))
