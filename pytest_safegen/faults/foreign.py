"""Tissue from elsewhere: from another patient, or from another place in the same scan."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from pytest_safegen.faults.fields import rotation
from pytest_safegen.faults.membrane import membrane
from pytest_safegen.faults.model import Canvas, Family, FloatArray
from pytest_safegen.faults.planting import global_family, local_family
from pytest_safegen.faults.regions import Patch, random_region, random_voxel
from pytest_safegen.faults.symmetry import mirror_axis, mirrored, mirrored_half

SAME_PLACE_SHARE = 0.5  # of patches of another patient that come from the same place


def foreign_blend(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """A foreign patch blended in, fully at strength 1."""
    return _blended(patch, _foreign(patch, random), strength)


def foreign_poisson(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """The structure of a foreign patch, matched to the local brightness along its border."""
    foreign = _foreign(patch, random)
    fitted = foreign + membrane(patch.voxels - foreign, patch.region.weight <= 0)
    low, high = float(patch.voxels.min()), float(patch.voxels.max())
    room = 0.2 * patch.canvas.contrast
    return _blended(patch, np.clip(fitted, low - room, high + room), strength)


def repeated(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """Structure from nearby repeated, fully at strength 1."""
    reach = patch.region.radius * random.uniform(1.2, 2.2) * rotation(random)[0]
    shift = np.round(reach / patch.spacing).astype(int)
    return _blended(patch, _box_of(patch.canvas.voxels, patch, shift), strength)


def mirror_patch(patch: Patch, strength: float, random: np.random.Generator) -> FloatArray:
    """The region itself, mirrored."""
    sides = [axis for axis, n in enumerate(patch.voxels.shape) if n > 1]
    axis = int(random.choice(sides)) if sides else 0
    turned = mirrored(patch.voxels, axis=axis, about=float(patch.region.centre[axis]))
    return _blended(patch, turned, strength)


def mirror_half(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:
    """One half replaced by the mirror image of the other; perfectly symmetric at strength 1."""
    half = mirrored_half(canvas, keep_low=bool(random.integers(2)))
    return canvas.voxels + np.float32(strength) * (half - canvas.voxels)


def two_patients(canvas: Canvas, strength: float, random: np.random.Generator) -> FloatArray:  # noqa: ARG001
    """A mixture with another patient, or with its own mirror image; half and half at strength 1."""
    axis, about = mirror_axis(canvas)
    other = canvas.donor
    if other is None:
        other = mirrored(canvas.voxels, axis=axis, about=about)
    return canvas.voxels + np.float32(0.5 * strength) * (other - canvas.voxels)


def _blended(patch: Patch, other: FloatArray, strength: float) -> FloatArray:
    return patch.voxels + np.float32(strength) * (other - patch.voxels)


def _foreign(patch: Patch, random: np.random.Generator) -> FloatArray:
    """Tissue for the box: of the donor from here or elsewhere, or of the scan from elsewhere."""
    donor = patch.canvas.donor
    here = donor is not None and random.uniform() < SAME_PLACE_SHARE
    middle = np.array(patch.offset) + patch.region.centre
    there = random_voxel(patch.canvas, random)
    shift = np.zeros(3, int) if here else np.round(there - middle).astype(int)
    turn = int(random.integers(4)) if not here else 0
    source = patch.canvas.voxels if donor is None else donor
    box = _rotated_box(source, patch, shift, turn, random)
    flips = tuple(axis for axis in range(3) if not here and random.uniform() < 0.5)
    return np.flip(box, flips) if flips else box


def _rotated_box(
    source: FloatArray,
    patch: Patch,
    shift: NDArray[np.int64],
    turn: int,
    random: np.random.Generator,
) -> FloatArray:
    """A box of the source, turned by some quarters in a random plane."""
    a, b = sorted(int(axis) for axis in random.choice(3, 2, replace=False))
    if turn % 2 == 0:
        return np.rot90(_box_of(source, patch, shift), turn, (a, b))
    swapped = list(patch.voxels.shape)
    swapped[a], swapped[b] = swapped[b], swapped[a]
    return np.rot90(_box_of(source, patch, shift, shape=tuple(swapped)), turn, (a, b))


def _box_of(
    source: FloatArray,
    patch: Patch,
    shift: NDArray[np.int64],
    *,
    shape: tuple[int, ...] | None = None,
) -> FloatArray:
    """The patch's box, moved by some voxels, out of a volume that goes on as its mirror image."""
    sizes = patch.voxels.shape if shape is None else shape
    index = []
    for start, own, size, step, n in zip(
        patch.offset, patch.voxels.shape, sizes, shift, source.shape, strict=True
    ):
        places = np.arange(size) + start + (own - size) // 2 + int(step)
        period = max(2 * (n - 1), 1)
        folded = places % period
        index.append(np.minimum(folded, period - folded) if n > 1 else np.zeros(size, int))
    return np.asarray(source[np.ix_(*index)])


_hard = partial(random_region, edge=0.0)

FAMILIES: tuple[Family, ...] = (
    local_family("foreign-blend", "foreign", "a patch of foreign tissue", foreign_blend),
    local_family(
        "foreign-poisson",
        "foreign",
        "foreign tissue with a blended border",
        foreign_poisson,
        region=_hard,
    ),
    local_family(
        "foreign-hard", "foreign", "foreign tissue with a hard edge", foreign_blend, region=_hard
    ),
    local_family("repeated", "structure", "structure repeated from nearby", repeated),
    local_family("mirror-patch", "structure", "a mirrored patch", mirror_patch),
    global_family("mirror-half", "structure", "a scan of two mirrored halves", mirror_half),
    global_family("two-patients", "structure", "a mixture of two patients", two_patients),
)
