"""Measures of tissue deformation, estimated between two scans or supplied as a field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_safegen.api import Measure, ReadError, resample, spacing_of
from safegen_detectors.longitudinal.inputs.displacement_field import read_displacement_field
from safegen_detectors.longitudinal.inputs.geometry import dilate, format_point
from safegen_detectors.longitudinal.inputs.metadata import is_treated, read_label, referenced_file
from safegen_detectors.longitudinal.maths import deformation
from safegen_detectors.longitudinal.maths.lesion_tracking import find_lesions
from safegen_detectors.longitudinal.registration import bounding_box, lesion_on_grid, pair_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_safegen.api import BoolArray, FloatArray
    from safegen_detectors.longitudinal.inputs.displacement_field import DisplacementField
    from safegen_detectors.longitudinal.inputs.timepoints import Timepoint
    from safegen_detectors.longitudinal.registration import Alignment

MAX_STRETCH = 3.0  # times, of volume
MIN_CHANGE, MIN_CHANGE_SHARE = 1.0, 0.15  # ml and share by which a lesion must grow or shrink
STILL_MOTION = 0.2  # mm by which tissue around a lesion seems to move where it does not
LESION_MARGIN = 10.0  # mm


@dataclass(frozen=True, slots=True)
class TissueMotion:
    """How tissue came to lie where the later scan shows it.

    `field` float32 (3, i, j, k): the way back, mm along the axes of the later scan's grid;
    `growth` float32 (i, j, k): the logarithm of how much larger tissue has become.
    """

    field: FloatArray
    growth: FloatArray


def estimate_motion(aligned: Alignment) -> TissueMotion:
    """The motion that demons estimate inside the body; 0 elsewhere.

    The lesions pull at nothing: tissue that becomes lesion has not moved.
    """
    prepared = aligned.later.prepared
    spacing = float(spacing_of(prepared.affine)[0])
    box = bounding_box(prepared.body)
    near = dilate(_both_lesions(aligned), millimetres=spacing, spacing=spacing)
    field = deformation.estimate_displacement(
        prepared.voxels[box],
        aligned.moved[box],
        where=(prepared.body & ~near)[box],
        spacing=spacing,
    )
    growth = -np.log(np.maximum(deformation.jacobian_determinant(field, spacing=spacing), 1e-3))
    whole = np.zeros((3, *prepared.voxels.shape), np.float32)
    whole[:, *box] = field
    larger = np.zeros(prepared.voxels.shape, np.float32)
    larger[box] = growth
    return TissueMotion(whole, larger)


def deformation_expected(aligned: Alignment) -> bool:
    """Whether tissue must have given way: one patient, in MR, with a lesion that changes."""
    same = aligned.later.intensity != "ct" and aligned.likeness.votes < 2
    return same and _lesion_gain(aligned) is not None


def deformation_measures(aligned: Alignment) -> list[Measure]:
    """How far and how unevenly tissue moves away from the lesion, and how much for its growth."""
    motion, zone = estimate_motion(aligned), aligned.zone
    shift = float(np.median(np.linalg.norm(motion.field[:, zone], axis=0)))
    uneven = float(motion.growth[zone].std())
    pair = pair_name(aligned)
    return [
        Measure(
            "tissue_shift",
            shift,
            "mm",
            f"the tissue moves by {shift:.1f} mm {pair} (median after rigid registration); real "
            "pairs move by 0.5 to 1.6 mm",
        ),
        Measure(
            "uneven_deformation",
            uneven,
            "",
            f"the tissue is stretched and squeezed unevenly {pair} (sd of the log-Jacobian "
            f"{uneven:.2f}; real pairs reach 0.05 to 0.13)",
        ),
        *_mass_effect(aligned, motion),
    ]


def _mass_effect(aligned: Alignment, motion: TissueMotion) -> list[Measure]:
    """The volume that tissue gives way by, as a share of what the lesion gains, and against it."""
    prepared = aligned.later.prepared
    gained = _lesion_gain(aligned)
    if gained is None:
        return []
    flux = deformation.flux(
        -motion.field,
        _both_lesions(aligned),
        where=prepared.body,
        spacing=float(spacing_of(prepared.affine)[0]),
    )
    if flux is None:
        return []
    message = (
        f"the tissue around the lesion gives way by {flux.volume:+.1f} ml "
        f"{pair_name(aligned)}, and "
        f"the lesion changes by {gained:+.1f} ml"
    )
    allowed = STILL_MOTION * flux.area / 1000.0
    share = np.sign(flux.volume) * max(abs(flux.volume) - allowed, 0.0) / gained
    return [
        Measure("mass_effect", float(share), "of the lesion's change", message),
        Measure("mass_effect_against", float(-share), "of the lesion's change", message),
    ]


def _both_lesions(aligned: Alignment) -> BoolArray:
    """Where either scan has a lesion, on the later scan's grid."""
    prepared = aligned.later.prepared
    earlier = lesion_on_grid(aligned.earlier, onto=prepared, mapping=aligned.mapping)
    return np.asarray(earlier | lesion_on_grid(aligned.later, onto=prepared), dtype=bool)


def _lesion_gain(aligned: Alignment) -> float | None:
    """How much a single untreated lesion grows, ml; None where it hardly changes, or is not known.

    Of many small lesions, and of a large one whose outline is drawn anew, the change is noise.
    """
    points = aligned.earlier, aligned.later
    if any(is_treated(point.ref.labels) for point in points):
        return None
    known = [point.scan for point in points if point.scan.mask is not None]
    parts = [find_lesions(np.asarray(scan.mask), scan.affine) for scan in known]
    if [len(found) for found in parts] != [1, 1]:
        return None
    first, second = (found[0].ml for found in parts)
    least = max(MIN_CHANGE, MIN_CHANGE_SHARE * max(first, second))
    return second - first if abs(second - first) >= least else None


def field_measures(points: Sequence[Timepoint]) -> list[Measure]:
    """Folds in the fields that the column `deformation_field` names, and fields of no use."""
    found: list[Measure] = []
    unread = []
    for point in points:
        if read_label(point.ref.labels, "deformation_field") is None:
            continue
        try:
            ref = referenced_file(point.ref, "deformation_field")
            found += _folding_measures(point, read_displacement_field(ref.path, ref.target))
        except ReadError as problem:
            unread.append(f"{point.name}: {problem}")
    if unread:
        message = f"a deformation field cannot be used at {'; '.join(unread)}"
        found.append(Measure("fields_unread", len(unread), "fields", message))
    return found


def folding_map(point: Timepoint) -> FloatArray | None:
    """How far the scan's own field is from leaving tissue its volume, 1.0 where it folds.

    On the prepared grid of the scan, 0 outside of the body; None without a field that can be used.
    """
    if read_label(point.ref.labels, "deformation_field") is None:
        return None
    try:
        ref = referenced_file(point.ref, "deformation_field")
        field = read_displacement_field(ref.path, ref.target)
    except ReadError:
        return None
    prepared = point.prepared
    squeezed = np.clip(1.0 - field.jacobian(), 0.0, 2.0).astype(np.float32)
    onto = resample(
        squeezed, field.affine, to_affine=prepared.affine, to_shape=prepared.voxels.shape
    )
    return np.asarray(np.where(prepared.body, onto, 0.0), np.float32)


def _folding_measures(point: Timepoint, field: DisplacementField) -> list[Measure]:
    """The share of the body that a field folds, and that it stretches or squeezes three times."""
    prepared, change = point.prepared, field.jacobian()
    onto = resample(
        prepared.body.astype(np.float32),
        prepared.affine,
        to_affine=field.affine,
        to_shape=change.shape,
        order=0,
    )
    body = onto > 0.5
    if not body.any():
        raise ReadError("the field does not lie over the scan. Give it in the scan's own mm.")
    folded = float((change[body] <= 0).mean())
    away = change[body & ~_near_lesion(point, field, change.shape)]
    far = (away < 1 / MAX_STRETCH) | (away > MAX_STRETCH)
    extreme = float(far.mean()) if far.size else 0.0
    worst = np.unravel_index(int(np.where(body, change, np.inf).argmin()), change.shape)
    at = format_point((field.affine @ [*map(float, worst), 1.0])[:3].tolist())
    folds = (
        f"the deformation field of {point.name} folds {folded:.2%} of the body, worst at {at}: "
        "tissue cannot pass through itself"
    )
    message = (
        f"the deformation field of {point.name} changes the volume of {extreme:.1%} of the body "
        f"away from the lesion by a factor of {MAX_STRETCH:g} or more"
    )
    return [
        Measure("field_folds", folded, "of the body", folds),
        Measure("field_stretch", extreme, "of the body", message),
    ]


def _near_lesion(point: Timepoint, field: DisplacementField, shape: tuple[int, ...]) -> BoolArray:
    """What a lesion may stretch as it grows, on the grid of a field."""
    prepared = point.prepared
    spacing = float(spacing_of(prepared.affine)[0])
    near = dilate(lesion_on_grid(point, onto=prepared), millimetres=LESION_MARGIN, spacing=spacing)
    onto = resample(
        near.astype(np.float32), prepared.affine, to_affine=field.affine, to_shape=shape, order=0
    )
    return np.asarray(onto > 0.5, dtype=bool)
