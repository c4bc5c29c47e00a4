"""Does the reference fit the scan at all? If not, nothing that is measured means anything."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pytest_safegen.api import NotJudged, Profile, ScanTarget

# Robust deviations below the median likeness of real scans. On brains of one scanner, those of
# another are 4 below, upside down 7, and other contrasts (T2, FLAIR) 11 or more.
FARTHEST = 6.0
LEAST_SPREAD = 0.08  # of Fisher's z; a cohort can be more alike than scans of one kind are


def likeness_facts(targets: Iterable[ScanTarget]) -> dict[str, float]:
    """Median and robust deviation of the reference's likeness to the mean scan (Fisher's z)."""
    known = [_fisher(target.prepared.similarity) for target in targets if target.prepared]
    middle = float(np.median(known))
    spread = 1.4826 * float(np.median(np.abs(np.array(known) - middle)))
    return {"middle": middle, "spread": max(spread, LEAST_SPREAD)}


def refuse_unlike(target: ScanTarget, profile: Profile) -> None:
    """Nothing, or the reason why this scan cannot be judged by this reference.

    Raises:
        NotJudged: another modality, body part or orientation than the reference.
    """
    if target.prepared is None or target.prepared.similarity is None:
        return
    facts = profile.facts["likeness"]
    away = (_fisher(target.prepared.similarity) - facts["middle"]) / facts["spread"]
    if away < -FARTHEST:
        usual = float(np.tanh(facts["middle"]))
        raise NotJudged(
            "the reference does not fit this scan: after alignment it correlates with the mean "
            f"real scan by {target.prepared.similarity:.2f}, real scans by about {usual:.2f}; "
            "it may be of another modality, body part or orientation"
        )


def _fisher(correlation: float | None) -> float:
    return float(np.arctanh(np.clip(correlation or 0.0, -0.9999, 0.9999)))
