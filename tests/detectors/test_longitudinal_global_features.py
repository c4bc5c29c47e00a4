"""Whole scans over time: sharpness, noise, contrast and brain."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from pytest_safegen.core.scan import Scan
from pytest_safegen.testing import phantom
from safegen_detectors.longitudinal.inputs.timepoints import prepare_timepoints
from safegen_detectors.longitudinal.measures.global_features import global_feature_measures


def visit(number: int, *, months: float | None = None, **labels: str) -> Scan:
    scan = phantom(1, session=number)
    return replace(scan, ref=replace(scan.ref, months=months, labels=labels))


def changed(scan: Scan, values: np.ndarray) -> Scan:
    """The scan with other values in its body."""
    voxels = np.where(scan.voxels > 0, np.maximum(values, 1), 0)
    return replace(scan, voxels=voxels.astype(np.float32))


def found(*scans: Scan) -> dict[str, float]:
    return {
        measure.name: measure.value
        for measure in global_feature_measures(prepare_timepoints(scans))
    }


def test_a_second_visit_changes_nothing():
    values = found(visit(1), visit(2))

    assert values["sharpness_change"] < 0.1
    assert values["noise_change"] < 0.2
    assert values["tissue_contrast_change"] < 0.05


def test_gain_changes_nothing():
    first = visit(1)
    values = found(first, changed(first, 3.0 * first.voxels))

    assert max(values.values()) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("sigma", [0.6, 1.0])
def test_a_blur_lowers_the_sharpness_and_more_of_it_does_so_more(sigma):
    first = visit(1)
    blurred = [changed(first, ndimage.gaussian_filter(first.voxels, s)) for s in (sigma, 2 * sigma)]

    little, much = (found(first, one)["sharpness_change"] for one in blurred)

    assert 0.2 < little < much


def test_three_times_the_noise_is_measured_as_such():
    grain = np.random.default_rng(0).normal(0, 1, (2, *phantom(1).voxels.shape))
    smooth = ndimage.gaussian_filter(phantom(1).voxels, 1.5)
    one, three = (
        changed(visit(1), smooth + k * noise) for k, noise in zip((2, 6), grain, strict=True)
    )

    assert np.exp(found(one, three)["noise_change"]) == pytest.approx(3, rel=0.2)


def test_tissue_on_another_curve_is_another_contrast():
    first = visit(1)
    skewed = 100 * (first.voxels / 100) ** 6

    assert found(first, changed(first, skewed))["tissue_contrast_change"] > 0.1


def ball(radius: float) -> np.ndarray:
    """A ball of some voxels in the middle of a phantom."""
    shape = phantom(1).voxels.shape
    middle = (np.array(shape) - 1) / 2
    return radius > np.linalg.norm(np.indices(shape).T - middle, axis=-1).T


def with_lesion(scan: Scan, radius: float) -> Scan:
    return replace(scan, mask=ball(radius))


def test_a_lesion_that_shrinks_in_an_unchanged_brain_is_no_growth_of_the_brain():
    first, later = visit(1, months=0.0), visit(2, months=0.5)

    values = found(with_lesion(first, 8), with_lesion(later, 4))

    assert values["brain_volume_change"] < 0.5


@pytest.mark.parametrize("labels", [{}, {"treated": "yes"}])
def test_with_one_mask_or_a_treatment_the_brain_is_not_judged(labels):
    first, later = visit(1, months=0.0), visit(2, months=0.5, **labels)
    scans = (first, later) if labels else (first, with_lesion(later, 8))

    assert "brain_volume_change" not in found(*scans)


def test_a_brain_that_shrinks_by_a_third_in_a_year_exceeds_its_limit():
    first, later = visit(1, months=0.0), visit(2, months=12.0)
    shrunk = ndimage.binary_erosion(later.voxels > 0, iterations=2)
    values = found(first, replace(later, voxels=np.where(shrunk, later.voxels, 0)))

    assert values["brain_volume_change"] > 4
    assert found(first, later)["brain_volume_change"] < 0.5


def test_without_months_the_brain_is_not_judged():
    assert "brain_volume_change" not in found(visit(1), visit(2))
