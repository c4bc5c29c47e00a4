"""The method artefact-segmentation: its lessons, its network, and what it remembers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from anomaly_samples import cohort, read
from numpy.typing import NDArray

from pytest_safegen.faults import FAMILIES
from safegen_detectors.anomaly.methods.base import Learned
from safegen_detectors.anomaly.methods.segmentation.fault_type import (
    MIN_EXAMPLES,
    FaultExample,
    descriptor,
    fit_fault_types,
)
from safegen_detectors.anomaly.methods.segmentation.method import ArtefactSegmentation
from safegen_detectors.anomaly.methods.segmentation.network import (
    STRIDE,
    SegmentationNet,
    inputs_of,
    logits_of,
)
from safegen_detectors.anomaly.methods.segmentation.synthetic_faults import (
    CorruptedSample,
    corrupt,
    expected_without_patient,
    families_for,
    random_other_sample,
    resampled_donor,
    with_varied_contrast,
)
from safegen_detectors.anomaly.methods.segmentation.training import (
    LIMITS,
    PEAKS_PER_SCAN,
    hard_negatives,
    outline_loss,
    overlaps_at_limits,
    peak_loss,
    train_network,
    training_loss,
)
from safegen_detectors.anomaly.methods.segmentation.training_samples import (
    CROP,
    CropBuffer,
    TrainingSamples,
    UntouchedScan,
    batch_of,
    dequantized,
    quantized,
    training_samples,
)
from safegen_detectors.anomaly.methods.training import Budget
from safegen_detectors.anomaly.reference import statistics as reference_statistics
from safegen_detectors.anomaly.reference.normalized import NormalizedSample, feature_names
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample

pytestmark = pytest.mark.slow

COUNT, UNSEEN = 5, 4
QUICK = ArtefactSegmentation(steps=4, volumes=4, validated=2)


@cache
def known() -> tuple[tuple[Sample, ...], ReferenceStatistics]:
    samples, reference = cohort(COUNT)
    return samples[:UNSEEN], reference_statistics.with_gaussian(reference, samples[:UNSEEN])


def training_set(*, threads: int = 1, seed: int = 0) -> TrainingSamples:
    samples, reference = known()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return training_samples(samples[:2], reference, families_for("mr"), volumes=4, seed=seed)
    finally:
        torch.set_num_threads(before)


@cache
def some() -> TrainingSamples:
    return training_set()


@cache
def learned() -> Learned:
    samples, reference = known()
    return QUICK.fit(samples, reference, seed=0, device="cpu")


def corrupted(seed: int, *names: str) -> CorruptedSample:
    samples, reference = known()
    families = [FAMILIES[name] for name in names] or families_for("mr")
    expected = expected_without_patient(samples[0], reference)
    random = np.random.default_rng(seed)
    return corrupt(samples[0], samples[1], expected, reference, families, random=random)


# network


@pytest.mark.parametrize("shape", [(8, 8, 8), (9, 17, 11), (1, 1, 1), (3, 40, 2)])
def test_the_network_reads_volumes_of_any_shape(shape: tuple[int, int, int]) -> None:
    network = SegmentationNet(3, widths=(4, 4, 4)).eval()

    logits = logits_of(network, torch.rand(3, *shape))

    assert logits.shape == shape
    assert bool(torch.isfinite(logits).all())


def test_padding_does_not_change_what_lies_far_from_the_border() -> None:
    torch.manual_seed(0)
    network = SegmentationNet(2, widths=(4, 4)).eval()
    given = torch.rand(2, 24, 24, 24)

    whole, cut = logits_of(network, given), logits_of(network, given[..., : 24 - STRIDE + 1])

    torch.testing.assert_close(whole[..., :8], cut[..., :8], atol=0.05, rtol=0)


def test_far_departures_are_squashed_but_keep_their_order() -> None:
    samples, reference = known()
    normalized = NormalizedSample(samples[0], reference)
    far = NormalizedSample(replace(samples[0], own=samples[0].own * 50), reference)

    plain, squashed = inputs_of(normalized), inputs_of(far)
    count = len(feature_names(reference))

    assert plain.shape == (count + 5, *samples[0].own.shape)
    assert float(squashed[:count].abs().max()) <= 6.0
    assert torch.equal(far.relative[1].flatten().argmax(), squashed[1].flatten().argmax())


# lessons


def test_crops_have_one_size_and_hold_inputs_truth_and_region() -> None:
    samples, reference = known()
    channels = len(inputs_of(NormalizedSample(samples[0], reference)))

    for crop in some().crops:
        assert crop.inputs.shape == (channels, CROP, CROP, CROP)
        assert crop.inputs.dtype == torch.int8
        assert crop.truth.shape == crop.region.shape == (CROP, CROP, CROP)


def test_crops_of_scans_smaller_than_a_crop_are_filled_with_nothing() -> None:
    samples, reference = known()
    part = (slice(4, 36), slice(None), slice(None))
    small = [
        replace(one, own=one.own[part], body=one.body[part], to_template=_moved(one, 4))
        for one in samples[:2]
    ]

    (crop, *_) = training_samples(small, reference, families_for("mr"), volumes=2, seed=0).crops

    assert crop.inputs.shape[1:] == (CROP, CROP, CROP)
    assert not bool(crop.region[32:].any())


def _moved(sample: Sample, slices: int) -> NDArray[np.float64]:
    shift = np.eye(4)
    shift[0, 3] = slices
    return np.asarray(sample.to_template @ shift)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_seed_gives_the_same_lessons_on_any_number_of_threads(threads: int) -> None:
    again = training_set(threads=threads)

    for one, other in zip(some().crops, again.crops, strict=True):
        assert torch.equal(one.inputs, other.inputs)
        assert torch.equal(one.truth, other.truth)
    assert [e.group for e in again.examples] == [e.group for e in some().examples]


def test_another_seed_gives_other_lessons() -> None:
    pairs = zip(some().crops, training_set(seed=1).crops, strict=False)

    assert any(not torch.equal(one.inputs, other.inputs) for one, other in pairs)


def test_lessons_show_faults_and_untouched_tissue() -> None:
    shares = [float(crop.truth.float().mean()) for crop in some().crops]

    assert max(shares) > 0
    assert min(shares) < 0.5


@pytest.mark.parametrize("modality", ["mr", "ct"])
def test_only_local_families_of_the_modality_are_taught(modality: str) -> None:
    families = families_for(modality)

    assert families
    assert all(family.local and modality in family.modalities for family in families)


def test_families_are_left_out_by_name_or_by_group() -> None:
    everything = families_for("mr")
    first, group = everything[0], everything[-1].group

    kept = families_for("mr", without=[first.name, group])

    gone = {family.name for family in everything} - {family.name for family in kept}
    assert gone == {first.name} | {f.name for f in everything if f.group == group}


def test_a_spoiled_sample_differs_where_a_fault_is_and_nowhere_else() -> None:
    samples, _ = known()
    found = next(s for seed in range(20) if len((s := corrupted(seed)).faults) > 1)
    (first, *_), truth = found.faults, found.truth

    assert truth.any()
    assert truth[first[1]].all()
    own = np.asarray(found.normalized.sample.own, dtype=np.float32)
    bend = with_varied_contrast(samples[0].own.astype(np.float32), np.random.default_rng(0))
    assert own.shape == bend.shape


def test_a_varied_scan_keeps_its_background_and_order() -> None:
    voxels = known()[0][0].own.astype(np.float32)

    changed = with_varied_contrast(voxels, np.random.default_rng(0))

    assert float(np.abs(changed[voxels == 0]).max()) == 0.0
    assert np.corrcoef(changed.ravel(), voxels.ravel())[0, 1] > 0.95


def test_a_donor_lies_where_the_sample_does() -> None:
    samples, _ = known()
    shifted = replace(
        samples[1], own=np.roll(samples[1].own, 2, 0), to_template=_moved(samples[1], -2)
    )

    moved = resampled_donor(shifted, samples[0])

    np.testing.assert_allclose(moved[2:-2], samples[1].own[2:-2], atol=1e-3)


@pytest.mark.parametrize("index", [0, 3])
def test_a_donor_is_another_patient(index: int) -> None:
    samples, random = known()[0], np.random.default_rng(0)

    assert all(random_other_sample(samples, index, random) is not samples[index] for _ in range(20))


def test_a_lone_sample_is_its_own_donor() -> None:
    samples = known()[0][:1]

    assert random_other_sample(samples, 0, np.random.default_rng(0)) is samples[0]


# learning


def test_training_lowers_the_loss() -> None:
    few = replace(some(), crops=some().crops[:4])
    batch = batch_of(few.crops, torch.Generator().manual_seed(0))
    losses = []
    for steps in (1, 12):
        network, done = train_network(few, Budget(steps, 2, 3e-3), seed=0, device="cpu")
        assert done == steps
        with torch.inference_mode():
            losses.append(float(training_loss(network.train()(batch.inputs), batch)))

    assert losses[1] < losses[0]


def test_mirrored_crops_keep_inputs_and_truth_together() -> None:
    marked = torch.zeros(1, 10, 10, 10)
    marked[0, 2, 3, 4] = 5.0
    truth = marked[0] > 0
    crop = UntouchedScan(quantized(marked), torch.ones_like(truth)).crop(np.array([5, 5, 5]), truth)
    random = torch.Generator().manual_seed(0)

    batches = [batch_of([crop], random) for _ in range(20)]

    assert all(torch.equal(b.inputs[:, 0] > 1, b.truth) for b in batches)
    assert len({int(b.truth.flatten().nonzero()) for b in batches}) > 3


def test_a_shelf_keeps_crops_as_they_are() -> None:
    crops, buffer = some().crops[:3], CropBuffer(3)

    kept = [buffer.put(crop) for crop in crops]

    for one, other in zip(kept, crops, strict=True):
        assert all(map(torch.equal, one.parts, other.parts))
    with pytest.raises(IndexError):
        buffer.put(crops[0])


def test_compact_inputs_are_as_they_were_to_a_fortieth() -> None:
    given = torch.linspace(-6, 6, 101)

    assert float((dequantized(quantized(given)) - given).abs().max()) <= 0.0251


def test_hard_negatives_show_where_a_network_sees_most_in_untouched_scans() -> None:
    class Bright(SegmentationNet):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, 0]

    inputs = torch.zeros(2, 64, 64, 64)
    for place in ((10, 10, 10), (50, 50, 50), (10, 50, 10)):
        inputs[(0, *place)] = 5.0
    scan = UntouchedScan(quantized(inputs), torch.ones(64, 64, 64, dtype=torch.bool))

    random = torch.Generator().manual_seed(0)
    crops = hard_negatives(Bright(2, widths=(4, 4, 4)), [scan], random=random, device="cpu")

    assert len(crops) == PEAKS_PER_SCAN == 3
    assert all(float(dequantized(crop.inputs)[0].max()) == 5.0 for crop in crops)
    assert not any(bool(crop.truth.any()) for crop in crops)


def test_the_peak_tells_crops_with_a_fault_from_those_without() -> None:
    truth = torch.zeros(2, 8, 8, 8, dtype=torch.bool)
    truth[0, 2:6, 2:6, 2:6] = True
    region = torch.ones_like(truth)
    right = torch.full(truth.shape, -9.0)
    right[0] = torch.where(truth[0], 9.0, -9.0)

    assert float(peak_loss(right, truth, region)) < 0.01
    assert float(peak_loss(-right, truth, region)) > 4


def test_the_peak_of_a_crop_with_a_corner_of_a_fault_says_nothing() -> None:
    truth = torch.zeros(1, 8, 8, 8, dtype=torch.bool)
    truth[0, 0, 0, :4] = True

    assert float(peak_loss(torch.full(truth.shape, 9.0), truth, torch.ones_like(truth))) == 0.0


def test_the_loss_is_low_for_the_truth_and_counts_nothing_outside_the_region() -> None:
    truth = torch.zeros(1, 8, 8, 8, dtype=torch.bool)
    truth[:, 2:6, 2:6, 2:6] = True
    region = torch.ones_like(truth)
    right = torch.where(truth, 9.0, -9.0)
    half = region.clone()
    half[:, :4] = False
    spoilt = right.clone()
    spoilt[:, :4] *= -1

    assert float(outline_loss(right, truth, region)) < 0.01
    assert float(outline_loss(-right, truth, region)) > 5
    torch.testing.assert_close(
        outline_loss(right, truth, half), outline_loss(spoilt, truth, half), atol=1e-5, rtol=0
    )


def test_a_perfect_outline_overlaps_wholly_at_every_limit_below_it() -> None:
    found = next(s for seed in range(20) if (s := corrupted(seed)).faults)
    logits = torch.where(torch.tensor(found.truth), 2.0, -2.0)

    shares = dict(zip(LIMITS, overlaps_at_limits(logits, found), strict=True))

    assert shares[-1.0] == shares[0.0] == shares[1.75] == 1.0
    assert shares[-3.0] < 0.5
    assert shares[2.5] == 0.0


# resemblance


def examples(count: int, *, apart: float = 5.0, seed: int = 0) -> list[FaultExample]:
    """Examples of three groups whose descriptors lie apart."""
    random = np.random.default_rng(seed)
    middles = apart * np.random.default_rng(9).normal(size=(3, 6))
    return [
        FaultExample(name, middle + random.normal(size=6))
        for name, middle in zip("abc", middles, strict=True)
        for _ in range(count)
    ]


def named(tests: Sequence[FaultExample], known_as: Sequence[FaultExample]) -> float:
    types = fit_fault_types(known_as)
    return float(np.mean([types.most_similar(e.descriptor) == e.group for e in tests]))


def test_groups_that_lie_apart_are_told_apart() -> None:
    assert named(examples(30, seed=1), examples(20)) > 0.95


def test_groups_that_do_not_lie_apart_are_guessed() -> None:
    assert 0.1 < named(examples(60, apart=0.0, seed=1), examples(20, apart=0.0)) < 0.6


def test_a_group_with_few_examples_is_not_known() -> None:
    few = [*examples(MIN_EXAMPLES)[: 2 * MIN_EXAMPLES], FaultExample("c", np.zeros(6))]

    assert fit_fault_types(few).groups == ["a", "b"]


def test_without_examples_nothing_is_resembled() -> None:
    types = fit_fault_types([])

    assert types.most_similar(np.zeros(6)) is None


def test_a_descriptor_is_mean_and_spread_of_each_feature() -> None:
    samples, reference = known()
    normalized = NormalizedSample(samples[0], reference)
    inside = normalized.relative[:, normalized.judged].clamp(-10, 10).numpy()

    found = descriptor(normalized, normalized.judged)

    np.testing.assert_allclose(found, [*inside.mean(1), *inside.std(1)], atol=1e-3)


def test_a_descriptor_of_nowhere_is_zero() -> None:
    samples, reference = known()
    normalized = NormalizedSample(samples[0], reference)

    assert not descriptor(normalized, torch.zeros_like(normalized.judged)).any()


# method


def test_every_sample_is_held_out() -> None:
    samples, reference = known()

    names = set(read(QUICK, NormalizedSample(samples[0], reference), learned()).statistics)

    assert [set(statistics) for statistics in learned().held_out] == [names] * UNSEEN
    assert all(np.isfinite(v) and v >= 0 for s in learned().held_out for v in s.values())


def test_a_seed_gives_the_same_method() -> None:
    samples, reference = known()

    again = QUICK.fit(samples, reference, seed=0, device="cpu")

    assert again.held_out == learned().held_out
    assert again.facts == learned().facts
    assert set(again.arrays) == set(learned().arrays)
    assert all(np.array_equal(again.arrays[k], a) for k, a in learned().arrays.items())


def test_the_map_is_one_at_the_limit_and_nothing_where_nothing_is_judged() -> None:
    samples, reference = cohort(COUNT)[0], known()[1]
    normalized = NormalizedSample(samples[UNSEEN], reference)

    found = read(QUICK, normalized, learned()).map

    assert found is not None
    assert found.shape == normalized.sample.own.shape
    assert float(found.min()) >= 0
    assert float(found[~normalized.judged].abs().max()) == 0.0
