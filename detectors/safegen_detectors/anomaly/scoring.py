"""Score one prepared scan against the atlas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pytest_safegen import Heatmap, Measure, NotJudged, Profile, ScanTarget, Score
from pytest_safegen.prepare import onto_prepared_grid, resample, to_scan_grid, world
from safegen_detectors.anomaly import words
from safegen_detectors.anomaly.atlas import Atlas
from safegen_detectors.anomaly.features import Box, template_features
from safegen_detectors.anomaly.statistics import (
    BRANCHES,
    departures,
    location_statistics,
    quality_distance,
    quality_vector,
)

PATHOLOGY_MARGIN = 3
STATED = 0.2  # share of a voxel that is stated to be pathology
MEANING = "distance from real scans"


def score(target: ScanTarget, profile: Profile, *, device: str) -> Score:
    """The score of one scan: five departures, the worst spot, and the map.

    Raises:
        NotJudged: the scan is not prepared, or nothing is left to judge.
    """
    if target.prepared is None or target.scan is None:
        raise NotJudged(target.unprepared or "the scan is not prepared")
    atlas = _atlas(profile, device)
    box = _box(profile)
    judged, excluded = _judged_region(target, atlas.region, box)
    if not bool(judged.any()):
        raise NotJudged("the stated pathology covers all that could be judged")
    plain = _without_pathology(target, profile, box)
    standardized = atlas.standardized(template_features(plain, box, device=device))
    distance = atlas.distance(standardized) * judged
    quality = quality_distance(
        quality_vector(standardized, judged),
        profile.arrays["quality_mean"],
        profile.arrays["quality_precision"],
    )
    raw = np.array([*location_statistics(distance, judged), quality])
    away = departures(raw, profile.facts)
    branch = BRANCHES[int(away.argmax())]
    place = _place_of_worst(distance)
    corner = [part.start for part in box]
    at = world(target.prepared, [n + start for n, start in zip(place, corner, strict=True)])
    return Score(
        value=float(away.max()),
        measures=_measures(away, excluded, at),
        heatmap=_heatmap(distance, profile, target, box),
        says=words.clause(branch, standardized, place, at, judged),
    )


def _atlas(profile: Profile, device: str) -> Atlas:
    def tensor(name: str) -> torch.Tensor:
        array: NDArray[Any] = profile.arrays[name]
        return torch.tensor(array, device=device)

    return Atlas(
        tensor("mean").float(), tensor("deviation").float(), tensor("whitening"), tensor("region")
    )


def _box(profile: Profile) -> Box:
    i, j, k = (slice(int(low), int(high)) for low, high in profile.arrays["box"])
    return i, j, k


def _judged_region(
    target: ScanTarget, region: torch.Tensor, box: Box
) -> tuple[torch.Tensor, float]:
    """Where to judge: the atlas region without stated pathology; and the share left out."""
    scan, prepared = target.scan, target.prepared
    if scan is None or prepared is None or scan.mask is None or not scan.mask.any():
        return region, 0.0
    mask = onto_prepared_grid(scan.mask.astype(np.float32), prepared, scan) > STATED
    grown = ndimage.binary_dilation(mask, iterations=PATHOLOGY_MARGIN) if mask.any() else mask
    judged = region & ~torch.from_numpy(np.asarray(grown)[box]).to(region.device)
    return judged, 1.0 - float(judged.sum()) / float(region.sum())


def _without_pathology(target: ScanTarget, profile: Profile, box: Box) -> ScanTarget:
    """The target with its stated pathology replaced by what real scans show there on average.

    Features see several voxels around, so that it would disturb the judgement of its surroundings.
    """
    scan, own, prepared = target.scan, target.own, target.prepared
    if scan is None or own is None or prepared is None or scan.mask is None or not scan.mask.any():
        return target
    usual = np.zeros(prepared.voxels.shape, dtype=np.float32)
    usual[box] = profile.arrays["mean"][0]
    there = resample(
        usual,
        prepared.affine,
        to_affine=own.affine,
        to_shape=own.voxels.shape,
        mapping=np.linalg.inv(prepared.to_scan).astype(np.float64),
    )
    mask = onto_prepared_grid(scan.mask.astype(np.float32), own, scan) > STATED
    grown = ndimage.binary_dilation(mask, iterations=1) if mask.any() else mask
    filled = np.where(grown, there, own.voxels).astype(np.float32)
    return replace(target, own=replace(own, voxels=filled))


def _place_of_worst(distance: torch.Tensor) -> tuple[int, int, int]:
    i, j, k = np.unravel_index(int(distance.argmax()), tuple(distance.shape))
    return int(i), int(j), int(k)


def _measures(
    away: NDArray[np.float64], excluded: float, at: Sequence[float]
) -> tuple[Measure, ...]:
    branches = [
        Measure(name, float(value), "sd") for name, value in zip(BRANCHES, away, strict=True)
    ]
    places = [Measure(f"worst_{axis}", at[n], "mm") for n, axis in enumerate("xyz")]
    share = Measure(
        "excluded_share", excluded, "", "the stated pathology covers too much of what is judged"
    )
    return (*branches, *places, share)


def _heatmap(
    distance: torch.Tensor, profile: Profile, target: ScanTarget, box: Box
) -> Heatmap | None:
    if target.scan is None or target.prepared is None:
        return None
    values = np.zeros(target.prepared.voxels.shape, dtype=np.float32)
    values[box] = (distance / float(profile.facts["voxel_limit"])).float().cpu().numpy()
    native = to_scan_grid(values, target.prepared, target.scan)
    return Heatmap(native, target.scan.affine, MEANING)
