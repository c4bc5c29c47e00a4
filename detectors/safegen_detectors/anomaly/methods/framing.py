"""The input of reconstruction networks: the box around the region, padded to their strides.

The networks see deviations from the mean of the reference, so that zero is average anatomy.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from pytest_safegen.api import NotJudged
from safegen_detectors.anomaly.reference import grids
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample

Shape = tuple[int, int, int]

WEIGHT_OUTSIDE = 0.1  # air holds little to learn, but an object in it must cost something
GAIN, GAMMA = 0.08, 0.1


def framed_shape(reference: ReferenceStatistics, multiple: int) -> Shape:
    """The box's size (i, j, k), each side raised to a multiple."""
    i, j, k = (-(-(part.stop - part.start) // multiple) * multiple for part in reference.box)
    return i, j, k


def framed(volume: torch.Tensor, reference: ReferenceStatistics, multiple: int) -> torch.Tensor:
    """The box of a volume (i, j, k) on the template's grid, zeros behind it."""
    inside = volume[reference.box]
    pad = [n - m for n, m in zip(framed_shape(reference, multiple), inside.shape, strict=True)]
    return functional.pad(inside, (0, pad[2], 0, pad[1], 0, pad[0]))


def unframed(framed_map: torch.Tensor, reference: ReferenceStatistics) -> torch.Tensor:
    """A framed map on the whole grid of the template (i, j, k), zeros outside the box."""
    whole = torch.zeros(reference.region.shape, device=framed_map.device)
    i, j, k = whole[reference.box].shape
    whole[reference.box] = framed_map[:i, :j, :k].float()
    return whole


def deviation(
    sample: Sample, reference: ReferenceStatistics, multiple: int, *, device: str
) -> torch.Tensor:
    """The framed difference of a sample from the mean of the reference."""
    volume = grids.tensor(sample.aligned, device)
    return framed(volume - grids.tensor(reference.intensity, device), reference, multiple)


def augmented_deviation(
    sample: Sample,
    reference: ReferenceStatistics,
    multiple: int,
    *,
    random: torch.Generator,
    device: str,
) -> torch.Tensor:
    """As `deviation`, of the sample with another gain and gamma, and perhaps left for right."""
    volume = grids.tensor(sample.aligned, device)
    coin, gain, gamma = torch.rand(3, generator=random).tolist()
    if reference.mirror is not None and coin < 0.5:
        volume = grids.flipped(volume, reference)
    power = float(torch.tensor(GAMMA * (2 * gamma - 1)).exp())
    volume = volume.sign() * volume.abs() ** power * (1 + GAIN * (2 * gain - 1))
    return framed(volume - grids.tensor(reference.intensity, device), reference, multiple)


def weight(reference: ReferenceStatistics, multiple: int, *, device: str) -> torch.Tensor:
    """The framed weight of each voxel in a loss, 1 in the body and little outside."""
    body = framed(grids.tensor(reference.body, device), reference, multiple)
    return WEIGHT_OUTSIDE + (1 - WEIGHT_OUTSIDE) * body


def region(reference: ReferenceStatistics, multiple: int) -> torch.Tensor:
    """bool, framed: where to judge, on the CPU."""
    return framed(grids.tensor(reference.region, "cpu"), reference, multiple) > 0


def judged_region(
    sample: Sample, reference: ReferenceStatistics, multiple: int, *, device: str
) -> torch.Tensor:
    """bool, framed: the region without the annotated pathology of the sample.

    Raises:
        NotJudged: nothing of the region is left.
    """
    where = grids.tensor(reference.region, device)
    if sample.pathology is not None:
        pathology = grids.onto_template(grids.tensor(sample.pathology, device)[None], sample)[0]
        where = where * (pathology == 0)
    if not where.any():
        raise NotJudged(
            "the annotated pathology covers everything that could be judged",
            headline="Nothing to judge outside the annotated pathology",
        )
    return framed(where, reference, multiple) > 0


def whole_map(
    framed_map: torch.Tensor, sample: Sample, reference: ReferenceStatistics
) -> torch.Tensor:
    """A framed map on the sample's own grid (i, j, k), 0 outside the region."""
    judged_part = grids.tensor(reference.region, str(framed_map.device))
    return grids.onto_own((unframed(framed_map, reference) * judged_part)[None], sample)[0]
