"""How tissue moves, estimated of images with a known displacement."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from pytest_safegen.testing import phantom
from safegen_detectors.longitudinal.maths.deformation import (
    estimate_displacement,
    flux,
    jacobian_determinant,
)
from safegen_detectors.longitudinal.series import ComparisonOptions, compare_series

pytestmark = pytest.mark.slow

SPACING = 2.0
SHAPE = (48, 48, 48)
PLACES = (np.indices(SHAPE) - 23.5) * SPACING
RADIUS = np.linalg.norm(PLACES, axis=0)


def texture(seed: int = 0) -> np.ndarray:
    folds = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 2.0)
    return np.where(RADIUS < 42, 1 + 0.3 * folds / folds.std(), 0).astype(np.float32)


def test_a_known_displacement_is_estimated_and_an_unmoved_image_has_none():
    bump = np.zeros((3, *SHAPE))
    bump[0] = 4.0 * np.exp(-(RADIUS**2) / (2 * 12**2))
    fixed = texture()
    # moving(x + u(x)) = fixed(x), to first order
    moving = ndimage.map_coordinates(fixed, np.indices(SHAPE) - bump / SPACING, order=1)
    where = RADIUS < 40

    found = estimate_displacement(fixed, moving.astype(np.float32), where=where, spacing=SPACING)
    still = estimate_displacement(fixed, fixed, where=where, spacing=SPACING)

    middle = RADIUS < 8
    assert found[0][middle].mean() == pytest.approx(bump[0][middle].mean(), abs=1.0)
    assert np.abs(found[1:][:, middle]).mean() < 0.5
    assert np.abs(still).max() < 0.05


def test_an_even_stretch_changes_volume_by_its_cube():
    change = jacobian_determinant((0.1 * PLACES).astype(np.float32), spacing=SPACING)

    assert change == pytest.approx(np.full(SHAPE, 1.1**3), rel=1e-4)


def test_flux_around_a_growing_lesion_is_its_gain():
    gained = 4.0  # ml
    field = gained * 1000 / (4 * np.pi * RADIUS**2) * PLACES / RADIUS
    lesion = RADIUS < 14

    found = flux(field.astype(np.float32), lesion, where=RADIUS > 0, spacing=SPACING)

    assert found.volume == pytest.approx(gained, rel=0.15)
    assert found.area == pytest.approx(4 * np.pi * 22.5**2, rel=0.15)


def test_a_lesion_at_the_edge_of_the_image_has_no_flux():
    lesion = RADIUS < 14

    assert flux(np.zeros((3, *SHAPE), np.float32), lesion, where=RADIUS < 15, spacing=2.0) is None


def course(masks, **labels):
    """Measures of two scans of one phantom with these masks, deformation always estimated."""
    scans = []
    for session, mask in enumerate(masks, 1):
        scan = phantom(1, session=session)
        scans.append(replace(scan, mask=mask, ref=replace(scan.ref, labels=labels)))
    (pair,) = compare_series(scans, options=ComparisonOptions("always")).pairs
    return {measure.name: measure.value for measure in pair.measures}


def blob(radius: float) -> np.ndarray:
    shape = phantom(1).voxels.shape
    middle = (np.array(shape) - 1) / 2
    return radius > np.linalg.norm(np.indices(shape).T - middle, axis=-1).T


def test_an_unchanged_lesion_has_no_mass_effect():
    values = course([blob(4), blob(4)])

    assert "mass_effect" not in values
    assert values["tissue_shift"] < 1.7


@pytest.mark.parametrize(
    ("masks", "labels"),
    [
        ([None, blob(5)], {}),
        ([blob(3), blob(5)], {"treated": "yes"}),
        ([blob(3), blob(5) | np.roll(blob(3), 12, 0)], {}),
    ],
    ids=["one mask", "treated", "two lesions"],
)
def test_mass_effect_is_measured_of_a_single_untreated_lesion_only(masks, labels):
    assert "mass_effect" not in course(masks, **labels)


def test_a_lesion_painted_over_unmoved_tissue_has_no_mass_effect():
    assert abs(course([blob(3), blob(5)])["mass_effect"]) < 0.5
