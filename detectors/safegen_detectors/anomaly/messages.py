"""Messages of the check: what is abnormal, where, and which type of fault it resembles."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from safegen_detectors.anomaly.reference.normalized import NormalizedSample, feature_names

FAULT_TYPE_LABELS = {
    "blur": "blurred tissue",
    "ct": "a ring, streak or metal",
    "dropout": "missing tissue",
    "foreign": "tissue from elsewhere",
    "intensity": "wrong brightness or contrast",
    "kspace": "a disturbed scanner signal",
    "noise": "noise",
    "pattern": "a regular pattern",
    "resolution": "coarse blocks or steps",
    "seam": "a seam",
    "sharpen": "over-sharpened tissue",
    "slice": "missing or repeated slices",
    "structure": "repeated or deformed structure",
    "warp": "warped anatomy",
}
"""What each group of the fault bank looks like."""

LOCAL_ANOMALY = "a region looks like no real scan there"
GLOBAL_ANOMALY = "the scan as a whole is unlike real scans"


def local_message(place: str, kind: str | None, feature: str) -> str:
    """On a region: where it is, what it resembles, and its most unusual feature."""
    resembles = f"; it resembles {FAULT_TYPE_LABELS.get(kind, kind)} most" if kind else ""
    return f"{LOCAL_ANOMALY}, {place}{resembles}, and its {feature}"


def global_message(unusual: Sequence[tuple[str, float]]) -> str:
    """On the whole scan: its most unusual measures, (name, robust deviations) each."""
    listed = ", ".join(f"{name} ({_deviations(far)})" for name, far in unusual)
    return f"{GLOBAL_ANOMALY}, above all in {listed}"


def unusual_feature(normalized: NormalizedSample, where: torch.Tensor) -> str:
    """The feature that departs most at a place (bool): "edges are 4.1 standard deviations ..."."""
    inside = normalized.standardized[:, where].mean(1)
    worst = int(inside.abs().argmax())
    side = "above" if float(inside[worst]) > 0 else "below"
    far = abs(float(inside[worst]))
    name = feature_names(normalized.reference)[worst]
    return f"{name}: {far:.1f} standard deviations {side} the real scans"


def _deviations(far: float) -> str:
    return f"{far:+.1f} sd"
