"""Plausible scans, and faults planted in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from pytest_safegen import (
    Profile,
    Scan,
    ScanRef,
    ScanTarget,
    Score,
    Verdict,
)
from pytest_safegen.data.table import facts_of
from pytest_safegen.judging.verdict import judge
from safegen_detectors.integrity import IntegrityDetector

SHAPE = (40, 44, 36)


def sane_scan(seed: int = 0, *, modality: str = "T1w", spacing: float = 2.0) -> Scan:
    """A noisy ellipsoid on a dark background."""
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1.2, 1.2, n) for n in SHAPE), indexing="ij")
    body = sum(axis**2 for axis in axes) < 1
    voxels = random.normal(2, 1, SHAPE) + body * random.normal(120, 20, SHAPE)
    ref = ScanRef(f"sub-{seed}.nii.gz", f"sub-{seed}", None, modality, Path(f"sub-{seed}.nii.gz"))
    affine = np.diag([spacing, spacing, spacing, 1.0])
    return Scan(ref, voxels.astype(np.float32), affine, stored_type="float32")


def ct_scan(seed: int = 0) -> Scan:
    scan = sane_scan(seed, modality="ct")
    return with_voxels(scan, scan.voxels * 9 - 1000)


def with_voxels(scan: Scan, voxels: np.ndarray) -> Scan:
    return replace(scan, voxels=np.asarray(voxels, dtype=np.float32))


def target_of(scan: Scan) -> ScanTarget:
    return ScanTarget(scan.ref, scan, facts=facts_of(scan))


def score_of(scan: Scan, profile: Profile | None = None) -> Score:
    target = ScanTarget(scan.ref, scan) if profile is None else target_of(scan)
    return IntegrityDetector().open(profile, device="cpu").score([target])[0]


def measure_of(scan: Scan, name: str, profile: Profile | None = None) -> float:
    return next(m.value for m in score_of(scan, profile).measures if m.name == name)


def verdict_of(scan: Scan, profile: Profile | None = None) -> Verdict:
    return judge("integrity", "x", score_of(scan, profile), rules=IntegrityDetector().rules).verdict


def profile_of(scans: list[Scan]) -> Profile:
    """A profile of what the gate gives a detector: facts without voxels, stored as JSON."""
    targets = [replace(target_of(scan), scan=None) for scan in scans]
    fitted = IntegrityDetector().fit(targets, seed=0)
    facts = json.loads(json.dumps(fitted.facts))
    return Profile("integrity", "digest", {}, facts, np.zeros(0), "", len(scans))


def nan_block(scan: Scan) -> Scan:
    voxels = scan.voxels.copy()
    voxels[10:14, 20:24, 5:9] = np.nan
    return with_voxels(scan, voxels)


def dropped_slice(scan: Scan) -> Scan:
    voxels = scan.voxels.copy()
    voxels[:, :, 18] = 0
    return with_voxels(scan, voxels)


def clipped_top(scan: Scan) -> Scan:
    return with_voxels(scan, np.minimum(scan.voxels, 110))


def label_map(scan: Scan) -> Scan:
    blocks = np.add.outer(np.add.outer(np.arange(40) // 8, np.arange(44) // 8 * 5), np.zeros(36))
    return with_voxels(scan, (blocks + np.arange(36) // 8 * 30 + 1) * 3)


FAULTS: dict[str, Callable[[Scan], Scan]] = {
    "nan_block": nan_block,
    "infinite_voxel": lambda s: with_voxels(
        s, np.where(s.voxels == s.voxels.max(), np.inf, s.voxels)
    ),
    "all_nan": lambda s: with_voxels(s, np.full(SHAPE, np.nan)),
    "constant": lambda s: with_voxels(s, np.full(SHAPE, 7)),
    "empty": lambda s: with_voxels(s, np.zeros(SHAPE)),
    "mask": lambda s: with_voxels(s, s.voxels > 60),
    "label_map": label_map,
    "clipped_top": clipped_top,
    "dropped_slice": dropped_slice,
    "thin": lambda s: with_voxels(s, s.voxels[:, :, 16:20]),
    "zero_voxel_size": lambda s: replace(s, affine=np.diag([2.0, 2.0, 0.0, 1.0])),
    "nan_affine": lambda s: replace(s, affine=np.full((4, 4), np.nan)),
    "metres": lambda s: replace(s, affine=np.diag([0.002, 0.002, 0.002, 1.0])),
    "mask_off_grid": lambda s: replace(s, mask_problem="the mask is not on the grid of the scan"),
}
