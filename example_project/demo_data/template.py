"""The real MNI152 template that every made-up patient is warped from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float32]
AnyFloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]
Affine = NDArray[np.float64]

FILE_NAME = "mni_icbm152_{tissue}_tal_nlin_sym_09a_converted.nii.gz"


@dataclass(frozen=True, slots=True)
class Template:
    """T1 intensity and the shares of grey and white matter, each 0 to 1, (i, j, k) at 1 mm."""

    t1: FloatArray
    grey: FloatArray
    white: FloatArray
    affine: Affine


@lru_cache(maxsize=1)
def load_template() -> Template:
    """The template from the files in nilearn's wheel, softened for sampling at 2 mm.

    They are read by name because `nilearn.datasets` would bring scikit-learn and pandas with it.
    """
    t1, affine = _read("t1")
    return Template(t1, _read("gm")[0], _read("wm")[0], affine)


def _read(tissue: str) -> tuple[FloatArray, Affine]:
    path = files("nilearn") / "datasets" / "data" / FILE_NAME.format(tissue=tissue)
    image = nib.load(str(path))
    voxels = np.asarray(image.dataobj, dtype=np.float32) / 255
    return ndimage.gaussian_filter(voxels, 0.6), image.affine
