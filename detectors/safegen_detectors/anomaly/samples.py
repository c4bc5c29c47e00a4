"""From the gate's targets to the samples of the anomaly methods."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from pytest_safegen.api import NotJudged, Prepared, ScanTarget, spacing_of
from safegen_detectors.anomaly.model import Mask, Matrix, Sample


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
    return compact(
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


def compact(sample: Sample) -> Sample:
    """The same sample with its voxels as float16."""
    own, aligned = sample.own.astype(np.float16), sample.aligned.astype(np.float16)
    return replace(sample, own=own, aligned=aligned)


def reference_of(targets: Iterable[ScanTarget]) -> tuple[list[Sample], list[Mask], Prepared]:
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
