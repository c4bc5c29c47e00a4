"""Lesions with a known place, size and growth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from demo_data.template import Affine, BoolArray, FloatArray

DAYS_PER_MONTH = 30.4375


@dataclass(frozen=True, slots=True)
class Lesion:
    """A ball at `centre` (mm, in the anatomy) with `radius` in mm and tissue of one `level`."""

    centre: tuple[float, float, float]
    radius: float
    level: float

    def grown(self, *, days: float, doubling_days: float) -> Lesion:
        """The same lesion later: its volume doubles every `doubling_days`."""
        factor = 2 ** (days / doubling_days / 3)
        return Lesion(self.centre, self.radius * factor, self.level)


def place_lesion(
    mask: BoolArray, affine: Affine, *, rng: np.random.Generator, depth: float = 20.0
) -> Lesion:
    """A lesion of 10 to 12 mm, as dark as grey matter, at least `depth` mm below the surface."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    deep = np.argwhere(ndimage.distance_transform_edt(mask, sampling=spacing) >= depth)
    x, y, z = (affine @ [*rng.choice(deep), 1.0])[:3]
    return Lesion((float(x), float(y), float(z)), rng.uniform(5.0, 6.0), rng.uniform(0.50, 0.58))


def paint(
    tissue: FloatArray, places: FloatArray, *, lesion: Lesion | None
) -> tuple[FloatArray, BoolArray | None]:
    """The tissue with the lesion in it, soft over 2 mm, and the lesion's mask.

    `places` (3, i, j, k) holds each voxel's place in the anatomy, in mm.
    """
    if lesion is None:
        return tissue, None
    distance = np.linalg.norm(places - np.reshape(lesion.centre, (3, 1, 1, 1)), axis=0)
    share = np.clip((lesion.radius - distance) / 2 + 0.5, 0, 1)
    painted = tissue * (1 - share) + lesion.level * share
    return painted.astype(np.float32), distance <= lesion.radius
