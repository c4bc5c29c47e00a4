"""The reference that methods share, and one sample seen against it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from threading import Barrier

import numpy as np
import pytest
import torch
from anomaly_samples import cohort, with_own
from numpy.typing import NDArray

from safegen_detectors.anomaly.reference import grids, statistics as reference_statistics
from safegen_detectors.anomaly.reference.features import FEATURE_NAMES, box_mean
from safegen_detectors.anomaly.reference.normalized import (
    ExpectedFeatures,
    NormalizedSample,
    expected_at,
    feature_names,
    lazy_property,
    leave_patient_out,
    region_at,
)
from safegen_detectors.anomaly.reference.statistics import template_features
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample

pytestmark = pytest.mark.slow

COUNT = 5
SHAPE = (12, 12, 12)
WAIT = 5.0  # seconds


@cache
def featured() -> tuple[tuple[Sample, ...], ReferenceStatistics]:
    """Phantoms, and their reference with its Gaussian."""
    samples, reference = cohort(COUNT)
    return samples, reference_statistics.with_gaussian(reference, samples)


def flat(level: float, patient: str = "a") -> Sample:
    """A scan of one grey value, on the template's own grid."""
    voxels = np.full(SHAPE, level, dtype=np.float32)
    return Sample(patient, voxels, voxels > -1, voxels, np.eye(4), 1.0)


def ground_of_flat(levels: Sequence[float]) -> ReferenceStatistics:
    samples = [flat(level, str(level)) for level in levels]
    bodies = [sample.body for sample in samples]
    reference = reference_statistics.intensity_statistics(
        samples, bodies, cropped=True, modality="mr"
    )
    return reference_statistics.with_gaussian(reference, samples)


# lazy


@dataclass(frozen=True)
class Counted:
    """Remembers how often its number was worked out."""

    calls: list[int]

    @lazy_property
    def number(self) -> int:
        """A number."""
        self.calls.append(1)
        return 7


@dataclass(frozen=True)
class Meeting:
    """Can only be worked out while another one is."""

    barrier: Barrier

    @lazy_property
    def place(self) -> int:
        """Which of those that met."""
        return self.barrier.wait(timeout=WAIT)


def test_a_lazy_value_is_computed_once() -> None:
    counted = Counted([])

    assert (counted.number, counted.number) == (7, 7)
    assert len(counted.calls) == 1


def test_a_lazy_value_is_computed_when_asked_for() -> None:
    assert Counted([]).calls == []


def test_each_object_has_a_lazy_value_of_its_own() -> None:
    calls: list[int] = []

    assert Counted(calls).number == Counted(calls).number
    assert len(calls) == 2


def test_two_objects_compute_at_the_same_time() -> None:
    barrier = Barrier(2)

    with ThreadPoolExecutor(2) as threads:
        places = list(threads.map(lambda one: one.place, [Meeting(barrier), Meeting(barrier)]))

    assert sorted(places) == [0, 1]


def test_a_lazy_value_keeps_its_words() -> None:
    assert Counted.number.__doc__ == "A number."


# reference


@pytest.mark.parametrize("roll", [-3, 0, 1, 6])
def test_a_rolled_symmetric_volume_is_its_own_mirror_image_after_a_roll(roll: int) -> None:
    half = np.random.default_rng(0).random((20, 8, 8)).astype(np.float32)
    volume = np.pad(np.concatenate([half, half[::-1]]), [(8, 8), (0, 0), (0, 0)])
    moved = np.roll(volume, roll, axis=0)

    found = reference_statistics.mirror_offset(moved)

    # A shift by one voxel moves the mirror image by one in the other direction.
    assert found == (2 * roll if abs(2 * roll) <= reference_statistics.MAX_OFFSET else None)


def test_noise_has_no_mirror_image() -> None:
    noise = np.random.default_rng(0).random((20, 8, 8)).astype(np.float32)

    assert reference_statistics.mirror_offset(noise) is None


def test_a_blank_volume_has_no_mirror_image() -> None:
    assert reference_statistics.mirror_offset(np.zeros((8, 8, 8), dtype=np.float32)) is None


def test_mean_and_variance_are_those_of_numpy() -> None:
    samples, reference = featured()
    assert reference.gaussian is not None
    maps = np.stack([template_features(one, reference).numpy() for one in samples])

    expected = [
        box_mean(torch.tensor(values), width).numpy()
        for values, width in ((maps.mean(0), 3), (maps.var(0, ddof=1), 5))
    ]

    np.testing.assert_allclose(reference.gaussian.mean, expected[0], atol=4e-3)
    np.testing.assert_allclose(reference.gaussian.variance, expected[1], atol=2e-3, rtol=2e-3)
    overall = expected[1][:, reference.region].mean(1)
    np.testing.assert_allclose(reference.gaussian.overall, overall, rtol=1e-3)
    assert reference.gaussian.count == COUNT


def test_one_scan_makes_no_gaussian() -> None:
    samples, reference = cohort(COUNT)

    with pytest.raises(ValueError, match="at least two"):
        reference_statistics.with_gaussian(reference, samples[:1])


def test_the_ground_survives_its_arrays_and_facts() -> None:
    _, reference = featured()

    again = reference_statistics.statistics_from_arrays(
        reference_statistics.arrays_of(reference), reference_statistics.facts_of(reference)
    )

    assert (again.box, again.mirror, again.modality) == (reference.box, reference.mirror, "mr")
    np.testing.assert_array_equal(again.region, reference.region)
    np.testing.assert_allclose(again.intensity, reference.intensity, atol=1e-3)
    assert again.gaussian is not None
    assert reference.gaussian is not None
    np.testing.assert_array_equal(again.gaussian.mean, reference.gaussian.mean)


def test_a_ground_without_features_stays_without() -> None:
    _, reference = cohort(COUNT)

    again = reference_statistics.statistics_from_arrays(
        reference_statistics.arrays_of(reference), reference_statistics.facts_of(reference)
    )

    assert again.gaussian is None


def test_the_region_is_the_body_of_some_scans_and_a_little_more() -> None:
    body = np.zeros(SHAPE, dtype=bool)
    body[6, 6, 6] = True
    other = np.zeros(SHAPE, dtype=bool)

    reference = reference_statistics.intensity_statistics(
        [flat(0.5), flat(0.6)], [body, other], cropped=True, modality="ct"
    )

    assert reference.region[6, 6, 6 + reference_statistics.REGION_MARGIN]
    assert not reference.region[6, 6, 6 + reference_statistics.REGION_MARGIN + 1]
    assert reference.modality == "ct"


def test_the_box_holds_the_region_and_no_more() -> None:
    region = np.zeros(SHAPE, dtype=bool)
    region[2:5, 3, 4:9] = True

    assert reference_statistics.box_around(region) == (slice(2, 5), slice(3, 4), slice(4, 9))


def test_crops_are_not_compared_with_their_mirror_image() -> None:
    reference = ground_of_flat([0.4, 0.5, 0.6])

    assert reference.mirror is None
    assert feature_names(reference) == FEATURE_NAMES


# view


def test_where_to_judge_needs_no_features() -> None:
    samples, reference = cohort(COUNT)
    with_features = featured()[1]

    plain, full = (
        NormalizedSample(samples[0], reference),
        NormalizedSample(samples[0], with_features),
    )

    assert reference.gaussian is None
    assert torch.equal(plain.judged, full.judged)
    assert torch.equal(plain.region, full.expected.region)


def test_stated_pathology_and_its_surroundings_are_not_judged_without_features_either() -> None:
    samples, reference = cohort(COUNT)
    stated = np.zeros(samples[0].own.shape, dtype=bool)
    stated[20, 24, 20] = True

    judged = NormalizedSample(replace(samples[0], pathology=stated), reference).judged

    left = NormalizedSample(samples[0], reference).judged & ~judged
    assert torch.equal(left.nonzero().amin(0), torch.tensor([17, 21, 17]))
    assert torch.equal(left.nonzero().amax(0), torch.tensor([23, 27, 23]))


def test_nothing_is_judged_beyond_the_template() -> None:
    sample, reference = featured()[0][0], featured()[1]
    away = np.eye(4)
    away[0, 3] = reference.region.shape[0] - 5

    region = region_at(replace(sample, to_template=away), reference, device="cpu")

    assert not bool(region[5:].any())


def test_what_is_usual_is_refused_without_features() -> None:
    samples, reference = cohort(COUNT)

    with pytest.raises(ValueError, match="needs the features"):
        _ = NormalizedSample(samples[0], reference).expected


def test_a_scan_as_usual_as_the_mean_departs_nowhere() -> None:
    reference = ground_of_flat([0.4, 0.5, 0.6])

    intensities = NormalizedSample(flat(0.5), reference).standardized[:3]

    assert float(intensities.abs().max()) < 0.05


LEVELS = (0.2, 0.35, 0.4, 0.55, 0.6, 0.62)


@pytest.mark.parametrize("index", range(len(LEVELS)))
def test_leaving_a_sample_out_is_as_if_it_had_never_been_there(index: int) -> None:
    reference = ground_of_flat(LEVELS)
    sample = flat(LEVELS[index], str(LEVELS[index]))
    never = ground_of_flat([v for n, v in enumerate(LEVELS) if n != index])

    dropped = leave_patient_out(NormalizedSample(sample, reference)).expected
    refitted = expected_at(sample, never, device="cpu")

    torch.testing.assert_close(dropped.mean, refitted.mean, atol=2e-3, rtol=0)
    torch.testing.assert_close(dropped.variance, refitted.variance, atol=2e-4, rtol=2e-2)


def test_all_scans_of_a_patient_are_left_out_together() -> None:
    samples = [flat(0.4, "a"), flat(0.9, "a"), flat(0.5, "b"), flat(0.6, "c"), flat(0.7, "d")]
    bodies = [sample.body for sample in samples]
    bare = reference_statistics.intensity_statistics(samples, bodies, cropped=True, modality="mr")

    without = reference_statistics.with_gaussian(bare, samples).without["a"]

    assert without.count == 3
    np.testing.assert_allclose(without.mean[0], 0.6, atol=2e-3)


def test_the_only_odd_sample_does_not_take_all_variance_with_it() -> None:
    reference = ground_of_flat([0.5, 0.52, 0.54, 0.9])

    variance = leave_patient_out(NormalizedSample(flat(0.9, "0.9"), reference)).expected.variance

    assert float(variance[0].min()) > 0


def test_an_unknown_patient_cannot_be_left_out() -> None:
    with pytest.raises(ValueError, match="no statistics without x"):
        leave_patient_out(NormalizedSample(flat(0.4, "x"), ground_of_flat([0.4, 0.5, 0.6])))


def test_of_two_patients_neither_can_be_left_out() -> None:
    with pytest.raises(ValueError, match=r"no statistics without 0\.4"):
        leave_patient_out(NormalizedSample(flat(0.4, "0.4"), ground_of_flat([0.4, 0.5])))


def test_a_sample_departs_more_from_the_others_than_from_all() -> None:
    samples, reference = featured()
    normalized = NormalizedSample(samples[0], reference)

    with_itself, without = (
        v.standardized[:, v.judged].abs().mean()
        for v in (normalized, leave_patient_out(normalized))
    )

    assert float(without) > float(with_itself)


def expected_features(shape: tuple[int, ...]) -> ExpectedFeatures:
    count = shape[0]
    inside = torch.ones(shape[1:], dtype=torch.bool)
    mean, variance, overall = torch.zeros(shape), torch.ones(shape), torch.ones(count)
    return ExpectedFeatures(
        mean, variance, overall, torch.zeros(3, *shape[1:]), inside.float(), inside
    )


def seen(features: torch.Tensor) -> NormalizedSample:
    """A view whose features are given."""
    normalized = NormalizedSample(
        flat(0.5),
        ground_of_flat([0.4, 0.5, 0.6]),
        expectation=expected_features(tuple(features.shape)),
    )
    normalized.__dict__["features"] = features
    return normalized


def noise(count: int = 4) -> torch.Tensor:
    values: NDArray[np.float64] = np.random.default_rng(0).normal(size=(count, *SHAPE))
    return torch.tensor(values, dtype=torch.float32)


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 5.0), (1.6, 0.0), (0.7, -3.0)])
def test_what_is_relative_does_not_depend_on_gain_and_offset(gain: float, offset: float) -> None:
    plain, changed = seen(noise()).relative, seen(gain * noise() + offset).relative

    torch.testing.assert_close(plain, changed, atol=1e-3, rtol=1e-3)


def test_what_is_relative_is_standard_in_the_region() -> None:
    values = seen(3 + 1.5 * noise()).relative.flatten(1)

    torch.testing.assert_close(values.median(1).values, torch.zeros(4), atol=0.01, rtol=0)
    torch.testing.assert_close(values.std(1), torch.ones(4), atol=0.1, rtol=0)


def test_a_scan_that_is_all_the_same_is_not_blown_up() -> None:
    assert float(seen(1e-3 * noise()).relative.abs().max()) < 0.1


def test_a_local_departure_stays_where_only_the_rest_is_moved() -> None:
    features = noise()
    features[0, 6, 6, 6] += 20

    relative = seen(features + 5).relative

    assert int(relative[0].argmax()) == int(features[0].argmax())
    assert float(relative[0].max()) > 15


def test_stated_pathology_does_not_disturb_the_features_around_it() -> None:
    samples, reference = featured()
    stated = np.zeros(samples[0].own.shape, dtype=bool)
    stated[18:22, 22:26, 18:22] = True
    bright = np.where(stated, 1.9, samples[0].own).astype(np.float32)
    quiet, loud = (
        replace(with_own(samples[0], own), pathology=stated) for own in (samples[0].own, bright)
    )

    torch.testing.assert_close(
        NormalizedSample(quiet, reference).features, NormalizedSample(loud, reference).features
    )


def test_features_are_the_templates_where_both_grids_are_one() -> None:
    samples, reference = featured()

    own = NormalizedSample(samples[0], reference).features
    there = grids.onto_own(template_features(samples[0], reference), samples[0])

    torch.testing.assert_close(own, there, atol=1e-3, rtol=1e-3)
