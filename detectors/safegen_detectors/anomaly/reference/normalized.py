"""A sample compared with the reference: its features in standard deviations of real scans.

All maps lie on the sample's own grid, are computed once, and are shared by all methods.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, overload

import torch

from safegen_detectors.anomaly.reference import grids
from safegen_detectors.anomaly.reference.features import (
    FEATURE_NAMES,
    MIRRORED,
    MIRRORED_NAMES,
    box_mean,
    feature_maps,
)
from safegen_detectors.anomaly.reference.types import Gaussian, ReferenceStatistics, Sample
from safegen_detectors.threads import side_by_side

Owner = TypeVar("Owner")
Value = TypeVar("Value")


class lazy_property(Generic[Owner, Value]):
    """As functools.cached_property, without its lock, which until Python 3.12 all objects share.

    Two threads that ask for the same value at once both compute it, and get the same.
    """

    def __init__(self, compute: Callable[[Owner], Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type[Owner], name: str) -> None:
        """Remember under which name the value is stored."""
        self._name = name

    @overload
    def __get__(self, instance: None, owner: Any) -> lazy_property[Owner, Value]: ...
    @overload
    def __get__(self, instance: Owner, owner: Any) -> Value: ...

    def __get__(self, instance: Owner | None, owner: Any) -> Value | lazy_property[Owner, Value]:
        """The value, which afterwards stands in the object's own dictionary."""
        if instance is None:
            return self
        value = self._compute(instance)
        instance.__dict__[self._name] = value
        return value


LOCAL_SHARE = 0.8
SMALLEST_VARIANCE = 1e-8
VOXELS_FOR_LEVELS = 20_000
QUARTILES_OF_NORMAL = 1.349  # the distance of a standard normal's quartiles
SPREADS = (0.5, 2.0)
HELD_WHEN_COMPACT = ("expected", "region", "judged", "voxels", "relative")


@dataclass(frozen=True)
class ExpectedFeatures:
    """What is expected at each voxel of a sample's own grid.

    `mean` and `variance` (f, i, j, k) of the features; `place` (3, i, j, k), coordinates -1..1 in
    the template; `body` (i, j, k), share of real scans with body there; `region` bool (i, j, k).
    """

    mean: torch.Tensor
    variance: torch.Tensor
    overall: torch.Tensor
    place: torch.Tensor
    body: torch.Tensor
    region: torch.Tensor

    @lazy_property
    def deviation(self) -> torch.Tensor:
        """Standard deviation (f, i, j, k), its variance shrunken to the mean of the region."""
        least = (1 - LOCAL_SHARE) * self.overall + SMALLEST_VARIANCE
        return (LOCAL_SHARE * self.variance).add_(least[:, None, None, None]).sqrt_()


@dataclass(frozen=True)
class NormalizedSample:
    """A sample, what it was learned from, and lazily all that methods derive from both.

    `expectation` replaces what the reference expects, as for a sample that is part of it.
    """

    sample: Sample
    reference: ReferenceStatistics
    device: str = "cpu"
    expectation: ExpectedFeatures | None = None

    def compacted(self) -> NormalizedSample:
        """The same sample, without the maps that nothing but `relative` is made from."""
        fresh = replace(self)
        held = {name: value for name, value in self.__dict__.items() if name in HELD_WHEN_COMPACT}
        fresh.__dict__.update(held)
        if "expected" in held:
            fresh.__dict__["expected"] = replace(held["expected"])  # without its deviation
        return fresh

    @lazy_property
    def expected(self) -> ExpectedFeatures:
        """What is expected on the sample's own grid."""
        return self.expectation or expected_at(self.sample, self.reference, device=self.device)

    @lazy_property
    def region(self) -> torch.Tensor:
        """Bool (i, j, k): where to judge; to be had without the features of the reference."""
        if self.expectation is None and self.reference.gaussian is None:
            return region_at(self.sample, self.reference, device=self.device)
        return self.expected.region

    @lazy_property
    def judged(self) -> torch.Tensor:
        """Bool (i, j, k): the region without annotated pathology."""
        if self.sample.pathology is None:
            return self.region
        pathology = torch.tensor(self.sample.pathology, device=self.device)
        return self.region & ~dilated(pathology)

    @lazy_property
    def voxels(self) -> torch.Tensor:
        """The scan (i, j, k), its annotated pathology replaced by what is expected there.

        Features see several voxels around, so that it would disturb its surroundings.
        """
        own = grids.tensor(self.sample.own, self.device)
        if self.sample.pathology is None:
            return own
        pathology = torch.tensor(self.sample.pathology, device=self.device)
        return torch.where(pathology, self.expected.mean[1], own)

    @lazy_property
    def features(self) -> torch.Tensor:
        """The features (f, i, j, k)."""
        return features_of(self.voxels, self.sample, self.reference)

    @lazy_property
    def standardized(self) -> torch.Tensor:
        """How many standard deviations each feature is from its expected value, (f, i, j, k)."""
        if self.expectation is None and self.device == "cpu" and self.sample.pathology is None:
            # Neither needs the other, and both are stored for the next line.
            side_by_side(lambda name: getattr(self, name), ["features", "expected"])
        return (self.features - self.expected.mean).div_(self.expected.deviation)

    @lazy_property
    def relative(self) -> torch.Tensor:
        """`standardized` less its median over the scan, in units of its own spread, (f, i, j, k).

        A scanner, a bias or a contrast that the reference does not have shifts a feature
        everywhere; what departs from the rest of the same scan is local. The spread is held
        between 0.5 and 2, since all but a few voxels should look like real tissue.
        """
        middle, spread = _median_and_spread(self.standardized, self.judged)
        return (self.standardized - middle).div_(spread.clamp(*SPREADS))


def _median_and_spread(
    maps: torch.Tensor, inside: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Median and robust standard deviation of maps (f, i, j, k) inside, each (f, 1, 1, 1)."""
    places = inside.flatten().nonzero()[:, 0]
    values = maps.flatten(1)[:, places[:: max(1, len(places) // VOXELS_FOR_LEVELS)]]
    if values.shape[1] == 0:
        shape = (len(maps), 1, 1, 1)
        return maps.new_zeros(shape), maps.new_ones(shape)
    low, middle, high = torch.quantile(values, values.new_tensor([0.25, 0.5, 0.75]), dim=1)
    spread = (high - low) / QUARTILES_OF_NORMAL
    return middle[:, None, None, None], spread[:, None, None, None]


def feature_names(reference: ReferenceStatistics) -> tuple[str, ...]:
    """The features' names in order."""
    return FEATURE_NAMES if reference.mirror is None else (*FEATURE_NAMES, *MIRRORED_NAMES)


def features_of(
    volume: torch.Tensor, sample: Sample, reference: ReferenceStatistics
) -> torch.Tensor:
    """Features (f, i, j, k) of a volume on the sample's own grid."""
    maps = feature_maps(volume)
    if reference.mirror is None:
        return maps
    chosen = maps[list(MIRRORED)]
    other = grids.pull(chosen, grids.mirrored(sample, reference), volume.shape)
    return torch.cat([maps, chosen - other])


def expected_at(sample: Sample, reference: ReferenceStatistics, *, device: str) -> ExpectedFeatures:
    """What is expected on the own grid; all but the mean is smooth enough for half of it."""
    gaussian = _gaussian(reference)
    shape = reference.region.shape
    axes = [torch.linspace(-1, 1, n, device=device) for n in shape]
    place = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    body = grids.tensor(reference.body, device)[None]
    variance = grids.tensor(gaussian.variance, device)
    smooth = grids.onto_own_coarsely(torch.cat([variance, place, body]), sample)
    count = len(variance)
    return ExpectedFeatures(
        grids.onto_own(grids.tensor(gaussian.mean, device), sample),
        smooth[:count],
        grids.tensor(gaussian.overall, device),
        smooth[count : count + 3],
        smooth[-1],
        region_at(sample, reference, device=device),
    )


def region_at(sample: Sample, reference: ReferenceStatistics, *, device: str) -> torch.Tensor:
    """Bool (i, j, k): the reference's region on the sample's own grid."""
    moved = grids.onto_own(grids.tensor(reference.region, device)[None], sample)[0]
    return (moved > 0.5) & inside_template(sample, reference.region.shape, device=device)


def inside_template(sample: Sample, shape: Sequence[int], *, device: str) -> torch.Tensor:
    """Bool (i, j, k): the voxels of the own grid whose middle lies within the template's grid."""
    index = grids.places(sample.to_template, sample.own.shape, device=device)
    last = torch.tensor([n - 0.5 for n in shape], device=device)
    return ((index > -0.5) & (index < last)).all(-1)


def leave_patient_out(normalized: NormalizedSample) -> NormalizedSample:
    """A sample of the reference, compared with real scans of other patients alone.

    Raises:
        ValueError: the reference holds nothing without this patient.
    """
    patient, reference = normalized.sample.patient, normalized.reference
    if patient not in reference.without:
        raise ValueError(f"the reference holds no statistics without {patient}")
    others = replace(reference, gaussian=reference.without[patient])
    return NormalizedSample(normalized.sample, others, normalized.device)


def dilated(mask: torch.Tensor, voxels: int = 3) -> torch.Tensor:
    """A mask (i, j, k) grown by some voxels in all directions."""
    return box_mean(mask.float(), 2 * voxels + 1) > 0


def _gaussian(reference: ReferenceStatistics) -> Gaussian:
    if reference.gaussian is None:
        raise ValueError("this method needs the features of the reference")
    return reference.gaussian
