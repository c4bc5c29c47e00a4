"""Sentences on what departs, and where."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from safegen_detectors.anomaly.features import NAMES

LOCAL = ("peak", "focal", "regional")
SAYS = {
    "peak": "one spot of the scan looks like no real scan there",
    "focal": "small regions of the scan look like no real scan there",
    "regional": "a larger part of the scan looks like no real scan there",
    "overall": "the scan is unlike real scans all over",
    "quality": "the image quality of the scan as a whole is unlike that of real scans",
}


def clause(
    branch: str,
    standardized: torch.Tensor,
    place: tuple[int, int, int],
    millimetres: Sequence[float],
    region: torch.Tensor,
) -> str:
    """What is wrong and where, without a full stop; `standardized` (f, i, j, k)."""
    i, j, k = place
    values = standardized[:, i, j, k] if branch in LOCAL else standardized[:, region].mean(1)
    worst = int(values.abs().argmax())
    side = "above" if float(values[worst]) > 0 else "below"
    size = abs(float(values[worst]))
    where = ", ".join(f"{value:.0f}" for value in millimetres)
    at = f", worst at ({where}) mm" if branch in LOCAL else ""
    return (
        f"{SAYS[branch]}{at}, mostly in its {NAMES[worst]} "
        f"({size:.1f} standard deviations {side} the real scans)"
    )
