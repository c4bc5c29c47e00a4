"""Phantoms as the samples that methods of the anomaly check get, and faults planted in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from pytest_safegen.prepare.canonical import canonical
from pytest_safegen.prepare.options import PrepareOptions
from pytest_safegen.testing import SPACING, phantom
from safegen_detectors.anomaly.methods.base import Learned, Method, Reading
from safegen_detectors.anomaly.reference import grids
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample

BODY_SHARE = 0.05
MARGIN = (1, 2, 1)  # voxels


@cache
def cohort(count: int) -> tuple[tuple[Sample, ...], ReferenceStatistics]:
    """Samples of the first `count` phantoms, and the reference that they share."""
    samples = tuple(sample(subject) for subject in range(count))
    return samples, reference_of(samples)


def sample(subject: int) -> Sample:
    """A phantom; phantoms lie on one grid, so alignment is a shift by the template's margin."""
    scan = phantom(subject)
    own = canonical(scan, PrepareOptions(SPACING, "mr", "affine"))
    aligned = np.pad(own.voxels, [(n, n) for n in MARGIN])
    to_template = np.eye(4)
    to_template[:3, 3] = MARGIN
    return Sample(scan.ref.subject, own.voxels, own.body, aligned, to_template, SPACING)


def reference_of(samples: Sequence[Sample]) -> ReferenceStatistics:
    """The mean of the samples, and the region and box around their bodies."""
    intensity = np.mean([one.aligned for one in samples], axis=0).astype(np.float32)
    body = np.mean([one.aligned > 0.1 for one in samples], axis=0).astype(np.float32)
    region = body > BODY_SHARE
    i, j, k = (slice(int(n.min()), int(n.max()) + 1) for n in np.nonzero(region))
    return ReferenceStatistics(intensity, body, region, (i, j, k), 0)


def with_hole(clean: Sample, *, radius: float = 4.0) -> tuple[Sample, NDArray[np.bool_]]:
    """The sample with a ball (radius in voxels) of nothing in it, and where the ball is."""
    ball = _ball(clean, radius)
    return with_own(clean, np.where(ball, 0, clean.own).astype(np.float32)), ball


def blurred(clean: Sample, *, sigma: float = 1.0) -> Sample:
    """The sample without its fine texture."""
    return with_own(clean, ndimage.gaussian_filter(clean.own.astype(np.float32), sigma))


def with_own(clean: Sample, own: NDArray[np.float32]) -> Sample:
    """The sample with other voxels, which also change its aligned ones."""
    aligned = grids.onto_template(torch.tensor(own)[None], clean)[0].numpy()
    return replace(clean, own=own, aligned=aligned)


def peak_of(values: torch.Tensor) -> tuple[int, ...]:
    """The voxel at which a map is highest."""
    return tuple(int(n) for n in np.unravel_index(int(values.argmax()), values.shape))


def _ball(clean: Sample, radius: float) -> NDArray[np.bool_]:
    middle = np.add(ndimage.center_of_mass(clean.body), [3, -4, 2])
    index = np.indices(clean.own.shape).astype(float)
    return np.asarray(np.linalg.norm(index - middle[:, None, None, None], axis=0) <= radius)


def read(method: Method, normalized: NormalizedSample, learned: Learned) -> Reading:
    """The reading of one sample by a method that is opened for it alone."""
    reader = method.open(learned, normalized.reference, device=normalized.device)
    return reader.read(normalized)
