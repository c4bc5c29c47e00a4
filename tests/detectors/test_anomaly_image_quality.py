"""The method image-quality: each measure reacts to the fault that it is named for."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from anomaly_samples import blurred, cohort, read, with_own
from numpy.typing import NDArray
from scipy import ndimage

from safegen_detectors.anomaly.methods.base import Learned
from safegen_detectors.anomaly.methods.image_quality.measures import (
    AXES,
    SLICE_MEASURES,
    quality_measures,
    slice_measures,
    spectrum_measures,
)
from safegen_detectors.anomaly.methods.image_quality.method import (
    FAR,
    SMALLEST_SPREAD,
    ImageQuality,
    fit_quality_model,
    shrunken_covariance,
)
from safegen_detectors.anomaly.reference import statistics as reference_statistics
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample

pytestmark = pytest.mark.slow

Volume = NDArray[np.float32]

COUNT, UNSEEN = 9, 8
SIDE = 32
ODD_SHAPES = [(1, 1, 1), (2, 3, 4), (1, 32, 32), (32, 1, 32), (32, 32, 1), (5, 40, 7)]


@cache
def known() -> tuple[tuple[Sample, ...], ReferenceStatistics, Learned]:
    samples, reference = cohort(COUNT)
    reference = reference_statistics.with_gaussian(reference, samples[:UNSEEN])
    return samples, reference, ImageQuality().fit(samples[:UNSEEN], reference, seed=0, device="cpu")


def plain() -> Volume:
    """Smooth tissue with a little texture, all over the volume."""
    random = np.random.default_rng(0).normal(size=(2, SIDE, SIDE, SIDE))
    coarse, fine = ndimage.gaussian_filter(random[0], 4), ndimage.gaussian_filter(random[1], 1)
    return (0.6 + 0.1 * coarse / coarse.std() + 0.02 * fine / fine.std()).astype(np.float32)


def index(axis: int) -> NDArray[np.int64]:
    """The number of the slice along an axis, at each voxel."""
    return np.indices((SIDE,) * 3)[axis]


def sliced(volume: Volume) -> dict[str, float]:
    return slice_measures(volume, np.ones(volume.shape, dtype=bool), plain())


def striped(axis: int) -> Volume:
    return plain() * (1 + 0.1 * (-1.0) ** index(axis)).astype(np.float32)


def jittered(axis: int) -> Volume:
    gains = 1 + 0.08 * np.random.default_rng(1).normal(size=SIDE)
    return (plain() * gains[index(axis)]).astype(np.float32)


def one_bright_slice(axis: int) -> Volume:
    return np.where(index(axis) == 15, 1.3 * plain(), plain()).astype(np.float32)


def repeated_slice(axis: int) -> Volume:
    volume = np.moveaxis(plain(), axis, 0).copy()
    volume[16] = volume[15]
    return np.moveaxis(volume, 0, axis)


def gap(axis: int) -> Volume:
    """Slices left out: a jump of the anatomy."""
    volume = np.moveaxis(plain(), axis, 0).copy()
    volume[16:] = np.roll(volume, 9, axis=0)[16:]
    return np.moveaxis(volume, 0, axis)


def paired(axis: int) -> Volume:
    """Every slice twice, so that every other change is none."""
    return np.take(plain(), np.arange(SIDE) // 2 * 2, axis)


def rough(axis: int) -> Volume:
    noise = np.random.default_rng(2).normal(size=(SIDE,) * 3)
    smooth = ndimage.gaussian_filter(noise, [0.0 if a == axis else 2.0 for a in range(3)])
    return (plain() + 0.1 * smooth / smooth.std()).astype(np.float32)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize(
    ("measure", "fault"),
    [
        ("brightness steps", jittered),
        ("largest brightness step", one_bright_slice),
        ("every other slice brighter", striped),
        ("smallest change to the next slice", repeated_slice),
        ("largest change to the next slice", gap),
        ("change to the next slice", rough),
        ("every other change larger", paired),
        ("roughness across slices", rough),
    ],
)
def test_a_measure_of_slices_reacts_along_the_axis_of_its_fault(
    axis: int, measure: str, fault: object
) -> None:
    before, after = sliced(plain()), sliced(fault(axis))  # type: ignore[operator]

    changes = [abs(after[f"{measure}, {a}"] - before[f"{measure}, {a}"]) for a in AXES]

    assert int(np.argmax(changes)) == axis
    assert changes[axis] > 0.05


def test_each_measure_of_slices_is_tested_by_its_name() -> None:
    assert {name.rpartition(",")[0] for name in sliced(plain())} == set(SLICE_MEASURES)


@pytest.mark.parametrize("axis", range(3))
def test_waves_from_voxel_to_voxel_show_along_their_axis(axis: int) -> None:
    waves = plain() + (0.05 * (-1.0) ** index(axis)).astype(np.float32)

    before, after = spectrum_measures(plain()), spectrum_measures(waves)

    rises = [after[f"voxel-to-voxel waves {a}"] - before[f"voxel-to-voxel waves {a}"] for a in AXES]
    assert int(np.argmax(rises)) == axis


@pytest.mark.parametrize("axis", range(3))
def test_fine_waves_are_lost_along_the_axis_of_a_blur(axis: int) -> None:
    noise = (plain() + 0.05 * np.random.default_rng(3).normal(size=(SIDE,) * 3)).astype(np.float32)
    soft = ndimage.gaussian_filter1d(noise, 2.0, axis=axis)

    before, after = spectrum_measures(noise), spectrum_measures(soft)

    falls = [before[f"fine waves {a}"] - after[f"fine waves {a}"] for a in AXES]
    assert int(np.argmax(falls)) == axis
    assert falls[axis] > 0


def test_one_strong_wave_shows_in_the_strongest_single_waves() -> None:
    phase = 2 * np.pi * (7 * index(0) + 5 * index(1)) / SIDE
    waves = (plain() + 0.05 * np.sin(phase)).astype(np.float32)

    before, after = spectrum_measures(plain()), spectrum_measures(waves)

    assert after["strongest single waves"] > before["strongest single waves"] + 1


def test_noise_raises_the_power_of_fine_scales() -> None:
    noise = (plain() + 0.05 * np.random.default_rng(4).normal(size=(SIDE,) * 3)).astype(np.float32)

    before, after = spectrum_measures(plain()), spectrum_measures(noise)

    assert after["power at scale 10"] > before["power at scale 10"] + 1


def test_brightness_alone_shows_in_the_power_of_large_structures_only() -> None:
    before, after = spectrum_measures(plain()), spectrum_measures(2 * plain())

    changed = {name for name in before if abs(before[name] - after[name]) > 1e-3}
    assert changed == {"power of large structures"}


@pytest.mark.parametrize("shape", ODD_SHAPES)
@pytest.mark.parametrize("fill", ["noise", "blank", "constant"])
def test_measures_are_finite_and_named_alike_on_any_volume(
    shape: tuple[int, int, int], fill: str
) -> None:
    noise = np.random.default_rng(0).random(shape).astype(np.float32)
    volume = {"noise": noise, "blank": 0 * noise, "constant": 0 * noise + 0.5}[fill]
    body = np.ones(shape, dtype=bool)

    spectrum, slices = spectrum_measures(volume), slice_measures(volume, body, volume)

    assert list(spectrum) == list(spectrum_measures(plain()))
    assert list(slices) == list(sliced(plain()))
    assert np.isfinite([*spectrum.values(), *slices.values()]).all()


def test_a_volume_without_body_has_finite_measures() -> None:
    nowhere = np.zeros((SIDE,) * 3, dtype=bool)

    assert np.isfinite(list(slice_measures(plain(), nowhere, plain()).values())).all()


@pytest.mark.parametrize("shape", [(6, 7, 8), (40, 48, 3), (40, 48, 1)])
def test_the_vector_of_a_cut_scan_is_finite_and_named_alike(shape: tuple[int, int, int]) -> None:
    samples, reference, _ = known()
    part = tuple(slice(0, n) for n in shape)
    cut = replace(samples[UNSEEN], own=samples[UNSEEN].own[part], body=samples[UNSEEN].body[part])

    found = quality_measures(NormalizedSample(cut, reference))

    assert list(found) == list(quality_measures(NormalizedSample(samples[UNSEEN], reference)))
    assert np.isfinite(list(found.values())).all()


def test_the_vector_of_a_blank_scan_is_finite() -> None:
    samples, reference, _ = known()
    blank = with_own(samples[UNSEEN], np.zeros_like(samples[UNSEEN].own, dtype=np.float32))

    assert np.isfinite(list(quality_measures(NormalizedSample(blank, reference)).values())).all()


def test_the_vector_knows_scale_and_shear_against_the_template() -> None:
    samples, reference, _ = known()
    wide = samples[UNSEEN].to_template.copy()
    wide[:3, :3] = [[1.1, 0.05, 0], [0.05, 1, 0], [0, 0, 1]]

    found = quality_measures(
        NormalizedSample(replace(samples[UNSEEN], to_template=wide), reference)
    )

    assert found["scale left-right"] == pytest.approx(np.log(1.1), abs=1e-3)
    assert found["shear left-right to front-back"] == pytest.approx(0.05, abs=1e-3)
    assert found["volume"] == pytest.approx(np.log(1.1 - 0.05**2), abs=1e-3)


@pytest.mark.parametrize(("n", "m"), [(10, 30), (50, 20), (4, 2)])
def test_the_covariance_is_shrunken_as_scikit_learn_does(n: int, m: int) -> None:
    covariance = pytest.importorskip("sklearn.covariance")
    random = np.random.default_rng(0)
    x = random.normal(size=(n, m)) @ random.normal(size=(m, m))

    np.testing.assert_allclose(shrunken_covariance(x), covariance.ledoit_wolf(x)[0], rtol=1e-6)


def test_equal_vectors_have_a_finite_model() -> None:
    model = fit_quality_model(np.ones((5, 3)))

    assert model.distance(np.ones(3)) == pytest.approx(0, abs=1e-6)
    assert np.isfinite(model.distance(np.array([1.0, 2.0, 1.0])))


def test_a_difference_that_nobody_would_see_is_none() -> None:
    vectors = np.full((9, 2), 0.8)

    assert (
        abs(fit_quality_model(vectors).standardized(np.full(2, 0.8 + SMALLEST_SPREAD / 4))).max()
        < 0.5
    )


def test_distances_rise_with_the_departure_and_ever_slower() -> None:
    model = fit_quality_model(np.random.default_rng(0).normal(size=(40, 3)))

    near, far, farther = (model.distance(np.full(3, x)) for x in (3.0, 30.0, 3000.0))

    assert near < far < farther < FAR + 10


def test_real_scans_are_about_one_distance_away() -> None:
    vectors = np.random.default_rng(0).normal(3, 2, size=(400, 5))
    model = fit_quality_model(vectors)

    squared = [model.distance(vector) ** 2 for vector in vectors]

    assert np.mean(squared) == pytest.approx(1.0, abs=0.1)


def test_a_scan_of_a_patient_is_held_out_with_all_scans_of_the_patient() -> None:
    samples, reference, _ = known()
    twice = [*samples[:UNSEEN], replace(samples[0], own=samples[0].own.copy())]

    once = ImageQuality().fit(twice[1:], reference, seed=0, device="cpu").held_out[-1]
    both = ImageQuality().fit(twice, reference, seed=0, device="cpu").held_out[-1]

    assert both == pytest.approx(once)


def test_a_blurred_scan_is_more_unusual_and_says_why() -> None:
    samples, reference, learned = known()
    soft = NormalizedSample(blurred(samples[UNSEEN]), reference)

    clean = read(ImageQuality(), NormalizedSample(samples[UNSEEN], reference), learned)
    found = read(ImageQuality(), soft, learned)

    assert clean.map is None
    assert all(found.statistics[name] > clean.statistics[name] for name in clean.statistics)
    assert found.details["mean fine texture"] < -3


def test_an_unseen_scan_is_about_as_unusual_as_a_held_out_one() -> None:
    samples, reference, learned = known()

    found = read(ImageQuality(), NormalizedSample(samples[UNSEEN], reference), learned).statistics

    held_out = [statistics["distance"] for statistics in learned.held_out]
    assert found["distance"] < 1.5 * max(held_out)


def test_the_device_of_a_view_does_not_change_the_names() -> None:
    samples, reference, learned = known()

    assert (
        list(quality_measures(NormalizedSample(samples[0], reference, torch.device("cpu").type)))
        == (learned.facts["measures"])
    )
