"""The border to the gate: targets become samples, and maps become heatmaps of targets.

A scan that is too unlike the reference is rejected here, since no measurement of it means anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import torch

from pytest_safegen.api import (
    Heatmap,
    NotJudged,
    Prepared,
    ScanTarget,
    spacing_of,
    to_scan_grid,
)
from safegen_detectors.anomaly.reference.types import Mask, Matrix, Sample


def sample_of(target: ScanTarget) -> Sample:
    """The sample of a prepared target, in half the memory.

    Real scans come from disk as float16: all are rounded so, or a new scan would differ from them
    by its rounding alone, which measures of fine detail see.

    Raises:
        NotJudged: the scan is not prepared.
    """
    own, prepared = _prepared(target)
    to_template = np.asarray(np.linalg.inv(_to_own(own, prepared)), dtype=np.float64)
    spacing = float(spacing_of(own.affine).mean())
    return in_half_precision(
        Sample(
            target.ref.subject,
            own.voxels,
            own.body,
            prepared.voxels,
            to_template,
            spacing,
            own.pathology,
        )
    )


def in_half_precision(sample: Sample) -> Sample:
    """The same sample with its voxels as float16."""
    own, aligned = sample.own.astype(np.float16), sample.aligned.astype(np.float16)
    return replace(sample, own=own, aligned=aligned)


def reference_samples(targets: Iterable[ScanTarget]) -> tuple[list[Sample], list[Mask], Prepared]:
    """The samples of all targets, their bodies on the template's grid, and one of the scans.

    Raises:
        ValueError: there is no target.
    """
    samples, bodies = [], []
    first: Prepared | None = None
    for target in targets:
        samples.append(sample_of(target))
        prepared = _prepared(target)[1]
        bodies.append(prepared.body)
        first = first or prepared
    if first is None:
        raise ValueError("there is no scan to learn from")
    return samples, bodies, first


def _to_own(own: Prepared, prepared: Prepared) -> Matrix:
    """Voxel indices of the template's grid to those of the own grid."""
    return np.asarray(np.linalg.inv(own.affine) @ prepared.to_scan @ prepared.affine)


def _prepared(target: ScanTarget) -> tuple[Prepared, Prepared]:
    if target.own is None or target.prepared is None:
        raise NotJudged(target.unprepared or f"{target.ref.target} is not prepared")
    return target.own, target.prepared


OUTLINE_LEGEND = "unlike real scans; 1 is the limit of the outline"


def heatmap_of(
    values: torch.Tensor, target: ScanTarget, *, name: str = "", meaning: str = OUTLINE_LEGEND
) -> Heatmap:
    """A map on the own grid as a heatmap on the grid of the scan."""
    if target.own is None or target.scan is None:
        raise NotJudged(target.unprepared or "the scan is not prepared")
    native = to_scan_grid(values.float().cpu().numpy(), target.own, target.scan)
    return Heatmap(native, target.scan.affine, meaning, name=name)


# Robust deviations below the median similarity of real scans. On brains of one scanner, those of
# another are 4 below, upside down 7, and other contrasts (T2, FLAIR) 11 or more.
MAX_DEVIATIONS = 6.0
MIN_SPREAD = 0.08  # of Fisher's z; scans of a small cohort can vary less than those of its kind


def similarity_facts(targets: Iterable[ScanTarget]) -> dict[str, float]:
    """Median and robust deviation of the reference's similarity to the mean scan (Fisher's z)."""
    known = [_fisher_z(target.prepared.similarity) for target in targets if target.prepared]
    middle = float(np.median(known))
    spread = 1.4826 * float(np.median(np.abs(np.array(known) - middle)))
    return {"middle": middle, "spread": max(spread, MIN_SPREAD)}


def reject_dissimilar(target: ScanTarget, facts: Mapping[str, float]) -> None:
    """Refuse a scan that is nothing like the reference, whose `similarity_facts` these are.

    Raises:
        NotJudged: another modality, body part or orientation than the reference.
    """
    if target.prepared is None or target.prepared.similarity is None:
        return
    deviations = (_fisher_z(target.prepared.similarity) - facts["middle"]) / facts["spread"]
    if deviations < -MAX_DEVIATIONS:
        expected = float(np.tanh(facts["middle"]))
        raise NotJudged(
            "the reference does not fit this scan: after alignment it correlates with the mean "
            f"real scan by {target.prepared.similarity:.2f}, real scans by about {expected:.2f}; "
            "it may be of another modality, body part or orientation",
            headline="Unlike the reference: another modality, body part or orientation?",
        )


def _fisher_z(correlation: float | None) -> float:
    return float(np.arctanh(np.clip(correlation or 0.0, -0.9999, 0.9999)))
