"""Measures of two aligned scans: grids, identity, copying."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pytest_safegen.api import Measure, register, resample, spacing_of
from safegen_detectors.longitudinal import copies, grid, identity
from safegen_detectors.longitudinal.alignment import align_once, box_of, mirrored
from safegen_detectors.longitudinal.rules import GRADIENT_MATCH_LIMIT, SIMILAR_MATCH
from safegen_detectors.longitudinal.words import label, place

if TYPE_CHECKING:
    from pytest_safegen.api import Affine, BoolArray, FloatArray
    from safegen_detectors.longitudinal.alignment import Alignment

FINEST_NEEDED = 1.0  # mm: coarser pixels hold anatomy where finer ones hold noise
GRAIN_SPACING = 1.9  # mm: from here on the prepared grid holds noise at its finest
SUSPECT_SIZE = 0.025  # change of the body's volume from which on its size is measured
NOISE_BOX_VOXELS = 96  # a cube around the body's middle holds noise enough


def pair_measures(aligned: Alignment) -> list[Measure]:
    """Everything that two scans of one patient say about each other, lesions aside."""
    return [
        *_grid_measures(aligned),
        *_promises(aligned),
        *_identity_measures(aligned),
        *_copy_measures(aligned),
    ]


def between(aligned: Alignment) -> str:
    """The pair as a sentence names it."""
    return f"from {aligned.earlier.name} to {aligned.later.name}"


def _grid_measures(aligned: Alignment) -> list[Measure]:
    first, second = aligned.earlier.scan.affine, aligned.later.scan.affine
    spacing = grid.spacing_change(first, second)
    codes = grid.axis_codes(first), grid.axis_codes(second)
    coverage = aligned.coverage
    pair = between(aligned)
    return [
        Measure(
            "spacing_change",
            spacing,
            "",
            f"the voxel size changes by {spacing:.1%} {pair}",
        ),
        Measure(
            "orientation_change",
            float(codes[0] != codes[1]),
            "",
            f"the axes turn from {codes[0]} to {codes[1]} {pair}",
        ),
        Measure(
            "coverage",
            coverage,
            "",
            f"only {coverage:.0%} of the smaller of the two bodies is seen in both scans {pair}",
        ),
    ]


def _promises(aligned: Alignment) -> list[Measure]:
    """What the labels `same_grid` and `coregistered` promise, where both scans tell them."""
    labels = aligned.earlier.ref.labels, aligned.later.ref.labels
    pair = between(aligned)
    found = []
    if all(label(one, "same_grid") for one in labels):
        says = f"one grid is promised for all timepoints, and it changes {pair}"
        found.append(Measure("grid_promise_broken", float(not _on_one_grid(aligned)), "", says))
    if all(label(one, "coregistered") for one in labels):
        shift, turn = _offset(aligned)
        says = f"the scans are said to be registered, and the anatomy is off by {{}} {pair}"
        found += [
            Measure("registration_shift", shift, "mm", says.format(f"{shift:.1f} mm")),
            Measure("registration_turn", turn, "degrees", says.format(f"{turn:.1f} degrees")),
        ]
    return found


def _offset(aligned: Alignment) -> tuple[float, float]:
    """How far the rigid registration moves the middle of the anatomy, mm, and turns it, degrees."""
    index = [float(axis.mean()) for axis in np.nonzero(aligned.zone)]
    middle = aligned.later.prepared.affine @ [*index, 1.0]
    shift = float(np.linalg.norm((aligned.mapping @ middle - middle)[:3]))
    cosine = (float(np.trace(aligned.mapping[:3, :3])) - 1.0) / 2.0
    return shift, float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def _identity_measures(aligned: Alignment) -> list[Measure]:
    """Likeness; of unlike MR pairs also whether the follow-up is mirrored or scaled."""
    if aligned.later.intensity == "ct":
        return [_votes(aligned, "identity_votes_ct"), *_likeness_measures(aligned)]
    found = [_votes(aligned, "identity_votes"), _contrast(aligned), *_likeness_measures(aligned)]
    if aligned.likeness.local_match < SIMILAR_MATCH:
        found.insert(0, _mirror(aligned))
    if aligned.likeness.local_match < SIMILAR_MATCH or _body_change(aligned) > SUSPECT_SIZE:
        found.append(_size(aligned))
    return [*found, _fine_structure(aligned)]


def _fine_structure(aligned: Alignment) -> Measure:
    box = box_of(aligned.zone)
    fixed, moved = aligned.later.prepared.voxels[box], aligned.moved[box]
    fine = identity.fine_correlation(fixed, moved, where=aligned.zone[box])
    says = (
        f"the fine structure of the tissue is drawn anew {between(aligned)} (correlation "
        f"{fine:.2f}; real scans of one patient reach 0.92)"
    )
    return Measure("fine_structure", fine, "", says)


def _contrast(aligned: Alignment) -> Measure:
    """How much the same edges turn from bright to dark: less than 0 where they do not."""
    likeness = aligned.likeness
    edges = likeness.gradient_match >= GRADIENT_MATCH_LIMIT
    says = (
        f"bright tissue turns dark {between(aligned)} (local match {likeness.local_match:.2f} "
        "along the same edges), as if it were another contrast"
    )
    return Measure("contrast_flip", -likeness.local_match if edges else -1.0, "", says)


def _body_change(aligned: Alignment) -> float:
    """Relative change of the body's volume, which a change of size brings with it."""
    first, second = (
        float(point.prepared.body.sum() * np.prod(spacing_of(point.prepared.affine)))
        for point in (aligned.earlier, aligned.later)
    )
    return abs(second / first - 1.0)


def _likeness_measures(aligned: Alignment) -> list[Measure]:
    likeness, says = aligned.likeness, _less_alike(aligned)
    return [
        Measure("local_match", likeness.local_match, "", says),
        Measure("self_similarity_distance", likeness.self_similarity_distance, "", says),
        Measure("gradient_match", likeness.gradient_match, "", says),
    ]


def _votes(aligned: Alignment, name: str) -> Measure:
    return Measure(name, aligned.likeness.votes, "of 3", _another_patient(aligned))


def _less_alike(aligned: Alignment) -> str:
    return (
        f"the anatomy outside the lesion changes {between(aligned)} (local match "
        f"{aligned.likeness.local_match:.2f}, least around {place(least_alike(aligned))}; scans of "
        f"one patient and protocol reach at least {SIMILAR_MATCH:.2f})"
    )


def _another_patient(aligned: Alignment) -> str:
    return (
        f"the anatomy outside the lesion at {aligned.later.name} looks like another patient than "
        f"at {aligned.earlier.name} (local match {aligned.likeness.local_match:.2f}, least around "
        f"{place(least_alike(aligned))}; scans of one patient reach at least 0.75)"
    )


def least_alike(aligned: Alignment) -> tuple[float, float, float]:
    """Where in the later scan's world, mm, the smoothed local match is lowest."""
    worst = np.where(aligned.zone, smooth_match(aligned), np.inf)
    index = np.unravel_index(int(np.argmin(worst)), worst.shape)
    x, y, z = (aligned.later.prepared.affine @ [*map(float, index), 1.0])[:3]
    return float(x), float(y), float(z)


def smooth_match(aligned: Alignment) -> FloatArray:
    """The local match averaged over 6 mm (Gaussian) of the zone; 0 outside the zone."""
    sigma = 6.0 / float(spacing_of(aligned.later.prepared.affine)[0])
    zone = aligned.zone.astype(np.float32)
    weight = ndimage.gaussian_filter(zone, sigma)
    total = ndimage.gaussian_filter(aligned.match * zone, sigma)
    return np.asarray(np.where(aligned.zone, total / np.maximum(weight, 1e-6), 0), np.float32)


def _mirror(aligned: Alignment) -> Measure:
    flipped = align_once(mirrored(aligned.earlier), aligned.later)
    margin = aligned.likeness.local_match - flipped.likeness.local_match
    says = (
        f"left and right look exchanged {between(aligned)}: the mirror image fits "
        f"{'better' if margin < 0 else 'as well'} ({flipped.likeness.local_match:.2f} against "
        f"{aligned.likeness.local_match:.2f})"
    )
    return Measure("mirror_margin", margin, "", says)


def _size(aligned: Alignment) -> Measure:
    mapping = register(aligned.later.prepared, aligned.earlier.prepared, kind="affine")
    change = grid.mean_size_change(mapping)
    says = f"the anatomy changes its size by {change:.1%} {between(aligned)}; adult heads do not"
    return Measure("size_change", change, "", says)


def _copy_measures(aligned: Alignment) -> list[Measure]:
    if label(aligned.later.ref.labels, "background") == "shared":
        return []
    zone = _on_scan_grid(aligned)
    return [
        *_equal_share(aligned, zone),
        *_noise_correlation(aligned, zone),
        *_grain_correlation(aligned),
    ]


def _grain_correlation(aligned: Alignment) -> list[Measure]:
    """The finest structure on the prepared grid; none where both scans resolve more than that."""
    earlier, later = aligned.earlier, aligned.later
    coarsest = max(float(spacing_of(one.scan.affine).max()) for one in (earlier, later))
    if coarsest < GRAIN_SPACING or later.intensity == "ct":
        return []
    box = box_of(aligned.zone)
    moved = resample(
        earlier.prepared.voxels,
        earlier.prepared.affine,
        to_affine=later.prepared.affine,
        to_shape=later.prepared.voxels.shape,
        mapping=aligned.mapping,
        order=3,
    )
    fixed = later.prepared.voxels[box]
    grain = copies.grain_correlation(fixed, moved[box], where=aligned.zone[box])
    says = (
        f"the grain of the image repeats {between(aligned)} (correlation {grain or 0.0:.2f}; real "
        "rescans reach 0.24 to 0.56)"
    )
    return [] if grain is None else [Measure("grain_correlation", grain, "", says)]


def _on_scan_grid(aligned: Alignment) -> BoolArray:
    """The unchanged anatomy on the later scan's own grid."""
    scan, prepared = aligned.later.scan, aligned.later.prepared
    values = aligned.zone.astype(np.float32)
    onto = resample(
        values, prepared.affine, to_affine=scan.affine, to_shape=scan.voxels.shape, order=0
    )
    return np.asarray(onto > 0.5, dtype=bool)


def _on_one_grid(aligned: Alignment) -> bool:
    """True where both scans have their voxels at the same places."""
    first, second = aligned.earlier.scan, aligned.later.scan
    return first.voxels.shape == second.voxels.shape and grid.same_grid(first.affine, second.affine)


def _equal_share(aligned: Alignment, zone: BoolArray) -> list[Measure]:
    if not _on_one_grid(aligned):
        return []
    share = copies.equal_share(aligned.earlier.scan.voxels, aligned.later.scan.voxels, where=zone)
    says = (
        f"{share:.0%} of the voxels outside the lesion repeat {between(aligned)}, value for value; "
        "real rescans share hardly any"
    )
    return [Measure("equal_share", share, "", says)]


def _noise_correlation(aligned: Alignment, zone: BoolArray) -> list[Measure]:
    """Noise along the two finest axes; none where the pixels of either scan are too coarse."""
    earlier, later = aligned.earlier.scan, aligned.later.scan
    pixel = max(float(np.sort(spacing_of(scan.affine))[1]) for scan in (earlier, later))
    if pixel > FINEST_NEEDED or not zone.any():
        return []
    box, affine = _middle_box(zone, later.affine)
    moving = resample(
        earlier.voxels,
        earlier.affine,
        to_affine=affine,
        to_shape=zone[box].shape,
        mapping=aligned.mapping,
        order=3,
    )
    sigmas = np.ones(3)
    sigmas[int(np.argmax(spacing_of(later.affine)))] = 0.0
    noise = copies.noise_correlation(
        later.voxels[box], moving, where=zone[box], sigmas=sigmas.tolist()
    )
    says = (
        f"the noise repeats {between(aligned)} (correlation {noise or 0.0:.2f}; real rescans reach "
        "0.06 to 0.75)"
    )
    return [] if noise is None else [Measure("noise_correlation", noise, "", says)]


def _middle_box(zone: BoolArray, affine: Affine) -> tuple[tuple[slice, ...], Affine]:
    """A cube in the middle of the zone's bounding box, and the affine of its own indices."""
    around = ndimage.find_objects(zone.astype(np.uint8))[0]
    half = NOISE_BOX_VOXELS // 2
    middles = [(side.start + side.stop) // 2 for side in around]
    box = tuple(
        slice(max(side.start, middle - half), min(side.stop, middle + half))
        for side, middle in zip(around, middles, strict=True)
    )
    shifted = affine.copy()
    shifted[:3, 3] = (affine @ [*(float(side.start) for side in box), 1.0])[:3]
    return box, shifted
