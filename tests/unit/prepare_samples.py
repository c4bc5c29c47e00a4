"""Pictures, grids and options that the tests of `prepare` share."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import nibabel as nib
import numpy as np
from hypothesis import settings, strategies as st
from scipy.spatial.transform import Rotation
from stand_in import scan_of

from pytest_safegen.core.scan import Prepared, Scan
from pytest_safegen.prepare.options import PrepareOptions

HOUNSFIELD = PrepareOptions(3.0, "ct", "centre")

HEAD = PrepareOptions(4.0, "mr", "affine")

ORIENTATIONS = [
    "".join(codes) for axes in permutations(("RL", "AP", "SI")) for codes in product(*axes)
]

PLACE = np.array([60.0, -80.0, 40.0])
orientations = st.sampled_from(ORIENTATIONS)

spacings = st.tuples(*[st.sampled_from([1.5, 2.0, 3.0, 4.5])] * 3)

places = st.tuples(*[st.floats(-200, 200)] * 3)

few = settings(max_examples=25, deadline=None)


def picture(points: np.ndarray) -> np.ndarray:
    """A smooth picture without any symmetry, in Hounsfield units; `points` (..., 3) in mm."""
    x, y, z = np.moveaxis(points / 40.0, -1, 0)
    return np.asarray(300 * np.sin(x + 0.5) + 200 * np.cos(1.3 * y + 0.2) + 150 * np.sin(0.7 * z))


def positions(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    index = np.moveaxis(np.indices(shape), 0, -1)
    return index @ affine[:3, :3].T + affine[:3, 3]


def grid(codes: str, spacing: Any, place: Any = (0, 0, 0), turn: Any = (0, 0, 0)) -> np.ndarray:
    """An affine whose axes point where the codes say, turned by angles in degrees."""
    turned = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(codes), (1, 1, 1))
    affine = np.eye(4)
    affine[:3, :3] = (
        Rotation.from_euler("xyz", turn, degrees=True).as_matrix() @ np.linalg.inv(turned)[:3, :3]
    )
    affine[:3, :3] = affine[:3, :3] @ np.diag(spacing)
    affine[:3, 3] = place
    return affine


def imaged(affine: np.ndarray, shape: tuple[int, int, int] = (24, 26, 28)) -> Scan:
    return scan_of(picture(positions(shape, affine)), affine=affine)


def wrong_by(prepared: Prepared) -> float:
    """The largest difference from the picture, in Hounsfield units, off the border."""
    shown = prepared.voxels * 2000 - 1000
    truth = picture(positions(prepared.voxels.shape, prepared.affine))
    inner = (slice(3, -3),) * 3
    return float(np.abs(shown - truth)[inner].max())


def known_map(*, degrees: Any, shift: Any, scale: Any = (1, 1, 1)) -> np.ndarray:
    """A turn about `PLACE`, then a shift in mm."""
    mapping = np.eye(4)
    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    mapping[:3, :3] = turn @ np.diag(scale)
    mapping[:3, 3] = PLACE - mapping[:3, :3] @ PLACE + shift
    return mapping
