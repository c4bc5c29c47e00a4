"""Where in a scan one person stands out, and how closely the pattern there matches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_safegen.api import Prepared
from safegen_detectors.memorization.features.descriptors import unit_length
from safegen_detectors.memorization.features.lattice import REACH, average_over_blocks
from safegen_detectors.memorization.features.pattern import Volume, displace
from safegen_detectors.memorization.search.index import Index
from safegen_detectors.memorization.search.margins import Margins
from safegen_detectors.memorization.search.match import PoseSearch

FEWEST_COMPARED = 8  # blocks whose correlation is measured where nothing is copied
COPIED_MARGIN = 0.5  # standard deviations above the best other person: copied from here on


@dataclass(frozen=True, slots=True)
class CopiedRegion:
    """Where one person stands out.

    `map` (i, j, k) on the prepared grid, 1.0 at COPIED_MARGIN; `share` of the judged tissue at or
    above it; `correlation` of the pattern there, at the best place within reach; `box` the lowest
    and the highest corner in mm of the scan, None where nothing is copied.
    """

    map: Volume
    share: float
    correlation: float
    box: tuple[NDArray[np.float64], NDArray[np.float64]] | None


def locate(pattern: Volume, prepared: Prepared, margins: Margins, index: Index) -> CopiedRegion:
    """Where and how well a scan with that pattern shows the person of the margins."""
    lattice, shape = index.describer.lattice, prepared.voxels.shape
    displacement = margins.likeness.displacement
    back = (-displacement[0], -displacement[1], -displacement[2])
    pattern, body = displace(pattern, displacement), displace(prepared.body, displacement)
    search = PoseSearch.of(margins.likeness.pose, lattice, full_reach=margins.likeness.full_reach)
    by_block = copied_margins(margins)[search.rows.numpy()]
    heatmap = average_over_blocks(by_block, lattice, shape) / COPIED_MARGIN * body
    judged = average_over_blocks(np.ones(len(by_block)), lattice, shape) * body > 0
    copied = heatmap >= 1
    blocks = np.flatnonzero(by_block >= min(COPIED_MARGIN, np.sort(by_block)[-FEWEST_COMPARED:][0]))
    correlations = _local_correlations(pattern, margins, search, blocks, index)
    return CopiedRegion(
        displace(heatmap, back).astype(np.float32),
        float(copied.sum() / max(judged.sum(), 1)),
        float(correlations.median()),
        _box_mm(prepared, displace(copied, back)) if copied.any() else None,
    )


def copied_margins(margins: Margins) -> NDArray[np.float64]:
    """The margin at each block of the reference: geometric mean of alone and with neighbours."""
    alone, around = (
        part.clamp(min=0).cpu().double() for part in (margins.by_block, margins.by_neighbourhood)
    )
    return np.asarray(torch.sqrt(alone * around).numpy())


def _local_correlations(
    pattern: Volume,
    margins: Margins,
    search: PoseSearch,
    blocks: NDArray[np.int64],
    index: Index,
) -> torch.Tensor:
    """Pearson's correlation of some blocks with that person, at the best place within reach.

    It is that of the frequencies which the descriptors hold, not whitened.
    """
    describer = index.describer
    scans = torch.from_numpy(np.flatnonzero(index.persons == margins.person)).to(index.device)
    reference = unit_length(index.descriptors[search.rows[blocks]][:, scans] / describer.scale)
    scan = unit_length(describer.coefficients(pattern, reach=REACH, blocks=blocks))
    low, high = search.extremes(scan, reference)
    return -low.amin(1) if margins.likeness.inverted else high.amax(1)


def _box_mm(
    prepared: Prepared, copied: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    to_scan = prepared.to_scan @ prepared.affine
    points = np.argwhere(copied) @ to_scan[:3, :3].T + to_scan[:3, 3]
    return points.min(0), points.max(0)
