"""Smooth random fields as patients, and an index of them."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st
from scipy import ndimage

from pytest_safegen import Prepared
from pytest_safegen.prepare.options import PrepareOptions
from pytest_safegen.prepare.template import Template
from safegen_detectors.memorization.features.descriptors import (
    Describer,
    frequencies,
    frequency_weights,
)
from safegen_detectors.memorization.features.lattice import (
    lattice_of,
)
from safegen_detectors.memorization.features.pattern import identity_pattern
from safegen_detectors.memorization.search.index import (
    Index,
    neighbourhood_means,
)
from safegen_detectors.memorization.search.margins import (
    Margins,
    strongest_margins,
)
from safegen_detectors.memorization.search.match import likenesses
from safegen_detectors.memorization.search.poses import all_poses

SHAPE = (31, 31, 31)


EVERYWHERE = np.ones(SHAPE, dtype=bool)


PATIENTS = range(5)


LATTICE = lattice_of(EVERYWHERE, mirrored=(0, 1, 2))


CROPS = PrepareOptions(1.0, "mr", "centre")


BODIES = PrepareOptions(1.0, "mr", "affine")


EQUAL = (1.0, 1.0, 1.0, 1.0)


POSES = st.sampled_from(all_poses())


def prepared(seed: int) -> Prepared:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 1.2)
    voxels = (0.5 + 0.1 * field / field.std()).astype(np.float32)
    return Prepared(voxels, EVERYWHERE, np.eye(4), np.eye(4))


def index_for(options: PrepareOptions) -> Index:
    plain = Describer(LATTICE, torch.ones(len(frequencies())))
    raw = [plain.coefficients(identity_pattern(prepared(n)), reach=0)[:, 0] for n in PATIENTS]
    describer = Describer(LATTICE, frequency_weights(torch.stack(raw)))
    return Index(
        torch.stack([describer.normalise(one) for one in raw], 1),
        np.array(PATIENTS),
        tuple(f"sub-{n}" for n in PATIENTS),
        describer,
        Template(prepared(0).voxels, np.ones(SHAPE, np.float32), np.eye(4), options),
        neighbourhood_means(LATTICE, "cpu"),
    )


def strongest(index: Index, scan: Prepared) -> Margins:
    return strongest_margins(likenesses(identity_pattern(scan), index), index, EQUAL)
