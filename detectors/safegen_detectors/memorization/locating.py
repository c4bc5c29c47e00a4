"""What of a scan is copied, and where: the local correlation, the map, the box in mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_safegen.api import Prepared
from safegen_detectors.memorization.descriptors import unit
from safegen_detectors.memorization.evidence import Evidence
from safegen_detectors.memorization.index import Index
from safegen_detectors.memorization.lattice import REACH, spread_over_blocks
from safegen_detectors.memorization.patterns import Volume, displaced
from safegen_detectors.memorization.search import Look

FEWEST_COMPARED = 8  # blocks of which the local correlation is told where nothing is copied
COPIED = 0.5  # standard deviations above the best other person, where tissue counts as copied


@dataclass(frozen=True, slots=True)
class Located:
    """Where one person stands out.

    `map` (i, j, k) on the prepared grid, 1.0 at COPIED; `share` of the judged tissue that is at or
    above it; `correlation` of the pattern there, at the best place within reach; `box` the lowest
    and the highest corner in mm of the scan, None where nothing is copied.
    """

    map: Volume
    share: float
    correlation: float
    box: tuple[NDArray[np.float64], NDArray[np.float64]] | None


def located(volume: Volume, prepared: Prepared, evidence: Evidence, index: Index) -> Located:
    """Where and how well a scan with that pattern shows the person that the evidence names."""
    lattice, shape = index.describer.lattice, prepared.voxels.shape
    moved = evidence.likeness.displacement
    back = (-moved[0], -moved[1], -moved[2])
    volume, body = displaced(volume, moved), displaced(prepared.body, moved)
    look = Look.of(evidence.likeness.pose, lattice, far=evidence.likeness.far)
    leads = copied_leads(evidence)[look.rows.numpy()]
    heat = spread_over_blocks(leads, lattice, shape) / COPIED * body
    judged = spread_over_blocks(np.ones(len(leads)), lattice, shape) * body > 0
    copied = heat >= 1
    where = np.flatnonzero(leads >= min(COPIED, np.sort(leads)[-FEWEST_COMPARED:][0]))
    correlations = _local_correlations(volume, evidence, look, where, index)
    return Located(
        displaced(heat, back).astype(np.float32),
        float(copied.sum() / max(judged.sum(), 1)),
        float(correlations.median()),
        _box(prepared, displaced(copied, back)) if copied.any() else None,
    )


def copied_leads(evidence: Evidence) -> NDArray[np.float64]:
    """How far the person leads at each block of the reference: alone and with its neighbours."""
    own, around = (part.clamp(min=0).cpu().double() for part in (evidence.own, evidence.margins))
    return np.asarray(torch.sqrt(own * around).numpy())


def _local_correlations(
    volume: Volume, evidence: Evidence, look: Look, where: NDArray[np.int64], index: Index
) -> torch.Tensor:
    """Pearson's correlation of some blocks with that person, at the best place within reach.

    It is that of the frequencies which the descriptors hold, not whitened.
    """
    describer = index.describer
    scans = torch.from_numpy(np.flatnonzero(index.persons == evidence.person)).to(index.device)
    theirs = unit(index.descriptors[look.rows[where]][:, scans] / describer.scale)
    own = unit(describer.coefficients(volume, reach=REACH, blocks=where))
    low, high = look.extremes(own, theirs)
    return -low.amin(1) if evidence.likeness.inverted else high.amax(1)


def _box(
    prepared: Prepared, copied: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    to_scan = prepared.to_scan @ prepared.affine
    places = np.argwhere(copied) @ to_scan[:3, :3].T + to_scan[:3, 3]
    return places.min(0), places.max(0)
