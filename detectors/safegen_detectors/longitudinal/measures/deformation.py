"""Measures of tissue deformation, estimated between two scans or given as a field."""

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
    """How tissue moved between two scans, on the later scan's prepared grid.

    `field` float32 (3, i, j, k): from the later to the earlier place, mm along the grid's axes;
    `growth` float32 (i, j, k): natural logarithm of the tissue's change of volume.
    """

    field: FloatArray
    growth: FloatArray


def estimate_motion(aligned: Alignment) -> TissueMotion:
    """The motion inside the body by demons registration; 0 elsewhere.

    Lesions exert no force: tissue that becomes lesion has not moved.
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
    whole_field = np.zeros((3, *prepared.voxels.shape), np.float32)
    whole_field[:, *box] = field
    whole_growth = np.zeros(prepared.voxels.shape, np.float32)
    whole_growth[box] = growth
    return TissueMotion(whole_field, whole_growth)


def deformation_expected(aligned: Alignment) -> bool:
    """True where tissue must have given way: one patient, in MR, with a lesion that changes."""
    same_patient = aligned.later.intensity != "ct" and aligned.similarity.votes < 2
    return same_patient and _lesion_gain(aligned) is not None


def deformation_measures(aligned: Alignment, motion: TissueMotion) -> list[Measure]:
    """How far and how unevenly tissue moves away from the lesion, and how much for its growth."""
    zone = aligned.zone
    shift = float(np.median(np.linalg.norm(motion.field[:, zone], axis=0)))
    uneven = float(motion.growth[zone].std())
    pair = pair_name(aligned)
    return [
        Measure(
            "tissue_shift",
            shift,
            "mm",
            f"the tissue moves by {shift:.1f} mm {pair} (median after rigid registration)",
            f"Tissue moved by {shift:.1f} mm (median)",
        ),
        Measure(
            "uneven_deformation",
            uneven,
            "",
            f"the tissue is stretched and squeezed unevenly {pair}",
            "Tissue unevenly stretched and squeezed",
        ),
        *_mass_effect(aligned, motion),
    ]


def _mass_effect(aligned: Alignment, motion: TissueMotion) -> list[Measure]:
    """The volume that tissue gives way by as a share of the lesion's gain, and its negative."""
    prepared = aligned.later.prepared
    gain = _lesion_gain(aligned)
    if gain is None:
        return []
    flux = deformation.flux(
        -motion.field,
        _both_lesions(aligned),
        where=prepared.body,
        spacing=float(spacing_of(prepared.affine)[0]),
    )
    if flux is None:
        return []
    allowed = STILL_MOTION * flux.area / 1000.0
    share = np.sign(flux.volume) * max(abs(flux.volume) - allowed, 0.0) / gain
    moves = f"{'gives way' if flux.volume > 0 else 'closes in'} by {abs(flux.volume):.1f} ml"
    changes = f"{'grows' if gain > 0 else 'shrinks'} by {abs(gain):.1f} ml"
    message = (
        f"the tissue around the lesion {moves} {pair_name(aligned)}, while the lesion {changes}"
    )
    headline = f"Tissue {moves}, lesion {changes}"
    unit = "of the lesion's change"
    return [
        Measure("mass_effect", float(share), unit, message, headline),
        Measure("mass_effect_reversed", float(-share), unit, message, headline),
    ]


def _both_lesions(aligned: Alignment) -> BoolArray:
    """Where either scan has a lesion, on the later scan's grid."""
    prepared = aligned.later.prepared
    earlier = lesion_on_grid(aligned.earlier, onto=prepared, mapping=aligned.mapping)
    return np.asarray(earlier | lesion_on_grid(aligned.later, onto=prepared), dtype=bool)


def _lesion_gain(aligned: Alignment) -> float | None:
    """How much a single untreated lesion grows, ml; None where it hardly changes or is unknown.

    Of many small lesions, and of a large one whose outline is drawn anew, the change is noise.
    """
    points = aligned.earlier, aligned.later
    if any(is_treated(point.ref.labels) for point in points):
        return None
    masked = [point.scan for point in points if point.scan.mask is not None]
    lesions = [find_lesions(np.asarray(scan.mask), scan.affine) for scan in masked]
    if [len(found) for found in lesions] != [1, 1]:
        return None
    first, second = (found[0].ml for found in lesions)
    least = max(MIN_CHANGE, MIN_CHANGE_SHARE * max(first, second))
    return second - first if abs(second - first) >= least else None


def field_measures(points: Sequence[Timepoint]) -> list[Measure]:
    """Folds in the fields that the column `deformation_field` names, and unusable fields."""
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
        message = f"a deformation field cannot be used ({'; '.join(unread)})"
        headline = "Deformation field cannot be used"
        found.append(Measure("fields_unread", len(unread), "fields", message, headline))
    return found


def folding_map(point: Timepoint) -> FloatArray | None:
    """How much the scan's own field squeezes tissue, 1.0 where it folds, on the prepared grid.

    0 outside the body; None without a usable field.
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
    resampled = resample(
        squeezed, field.affine, to_affine=prepared.affine, to_shape=prepared.voxels.shape
    )
    return np.asarray(np.where(prepared.body, resampled, 0.0), np.float32)


def _folding_measures(point: Timepoint, field: DisplacementField) -> list[Measure]:
    """The share of the body that a field folds, and that it stretches or squeezes three times."""
    change = field.jacobian()
    body = _on_field_grid(point.prepared.body, point, field)
    if not body.any():
        raise ReadError("the field does not overlap the scan; save it in the scan's own mm")
    folded = float((change[body] <= 0).mean())
    worst = np.unravel_index(int(np.where(body, change, np.inf).argmin()), change.shape)
    place = format_point((field.affine @ [*map(float, worst), 1.0])[:3].tolist())
    away = change[body & ~_on_field_grid(_lesion_surroundings(point), point, field)]
    extreme = (away < 1 / MAX_STRETCH) | (away > MAX_STRETCH)
    stretched = float(extreme.mean()) if extreme.size else 0.0
    return [
        Measure(
            "field_folds",
            folded,
            "of the body",
            f"the deformation field of {point.name} folds {folded:.2%} of the body, worst at "
            f"{place}: tissue cannot pass through itself",
            f"Deformation field folds {folded:.2%} of the body",
        ),
        Measure(
            "field_stretch",
            stretched,
            "of the body",
            f"the deformation field of {point.name} changes the volume of {stretched:.1%} of the "
            f"body away from the lesion by a factor of {MAX_STRETCH:g} or more",
            f"Deformation field stretches {stretched:.1%} of the body {MAX_STRETCH:g} times",
        ),
    ]


def _lesion_surroundings(point: Timepoint) -> BoolArray:
    """What a lesion may stretch as it grows, on the prepared grid."""
    prepared = point.prepared
    spacing = float(spacing_of(prepared.affine)[0])
    return dilate(lesion_on_grid(point, onto=prepared), millimetres=LESION_MARGIN, spacing=spacing)


def _on_field_grid(mask: BoolArray, point: Timepoint, field: DisplacementField) -> BoolArray:
    """A mask of the prepared grid on the grid of a field."""
    resampled = resample(
        mask.astype(np.float32),
        point.prepared.affine,
        to_affine=field.affine,
        to_shape=field.vectors.shape[1:],
        order=0,
    )
    return np.asarray(resampled > 0.5, dtype=bool)
