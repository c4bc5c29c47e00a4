"""What is true of every family of faults."""

from __future__ import annotations

import pickle
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from pytest_safegen.faults import FAMILIES, Canvas, Planted, canvas_of, plant
from pytest_safegen.faults.model import VISIBLE
from pytest_safegen.testing import phantom

pytestmark = pytest.mark.slow

NAMES = list(FAMILIES)
LOCAL = [name for name, family in FAMILIES.items() if family.local]
SEEDS = range(3)
SOFT_EDGE = 3  # voxels
GRIDS = {
    "tiny": ((24, 24, 24), (4.0, 4.0, 4.0)),
    "fine": ((24, 26, 24), (0.5, 0.5, 0.5)),
    "anisotropic": ((40, 36, 10), (1.0, 1.0, 5.0)),
    "flat": ((40, 36, 1), (1.0, 1.0, 1.0)),
}


@cache
def head() -> Canvas:
    return canvas_of(phantom(1), phantom(2))


def ball(shape: tuple[int, ...], spacing: tuple[float, float, float], **more: Any) -> Canvas:
    """A textured ellipsoid that nearly fills a grid."""
    random = np.random.default_rng(0)
    away = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape]
    i, j, k = np.meshgrid(*away, indexing="ij")
    body = i**2 + j**2 + k**2 < 0.8
    values = np.where(body, 100 + 20 * random.normal(size=shape), 0)
    return Canvas(values.astype(np.float32), body, spacing, **more)


def planted(name: str, canvas: Canvas, *, strength: float = 0.6, seed: int = 0) -> Planted:
    return plant(name, canvas, strength=strength, random=np.random.default_rng(seed))


def change(name: str, *, strength: float) -> float:
    """The mean change of a whole scan, textured all over, over some seeds."""
    canvas = ball((32, 34, 32), (3.0, 3.0, 3.0))
    found = [planted(name, canvas, strength=strength, seed=seed).voxels for seed in range(8)]
    return float(np.mean([np.abs(voxels - canvas.voxels).mean() for voxels in found]))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_generator_plants_the_same_fault(name: str) -> None:
    first, again = planted(name, head()), planted(name, head())
    np.testing.assert_array_equal(first.voxels, again.voxels)
    if first.mask is not None:
        np.testing.assert_array_equal(first.mask, again.mask)


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_or_nothing_random_plants_a_change(name: str) -> None:
    changed = [planted(name, head(), seed=seed).voxels != head().voxels for seed in SEEDS]
    assert all(where.any() for where in changed)


@pytest.mark.parametrize("name", NAMES)
def test_the_canvas_stays_as_it_is(name: str) -> None:
    before = head().voxels.copy()
    planted(name, head(), strength=1.0)
    np.testing.assert_array_equal(head().voxels, before)


@pytest.mark.parametrize("name", NAMES)
def test_grids_of_all_sizes_keep_shape_type_and_finite_values(name: str) -> None:
    for shape, spacing in GRIDS.values():
        found = planted(name, ball(shape, spacing), strength=1.0)
        assert (found.voxels.shape, found.voxels.dtype) == (shape, np.float32)
        assert np.isfinite(found.voxels).all()


@pytest.mark.parametrize("name", NAMES)
def test_only_local_families_have_a_mask(name: str) -> None:
    assert (planted(name, head()).mask is not None) == FAMILIES[name].local


@pytest.mark.parametrize("name", LOCAL)
def test_a_mask_is_a_solid_region_on_the_grid(name: str) -> None:
    mask = planted(name, head(), strength=1.0).mask
    assert mask is not None
    assert (mask.shape, mask.dtype) == (head().shape, np.bool_)
    assert mask.sum() >= 30


@pytest.mark.parametrize("name", LOCAL)
def test_nothing_visible_lies_outside_the_mask_but_soft_edges(name: str) -> None:
    for seed in SEEDS:
        found = planted(name, head(), strength=1.0, seed=seed)
        assert found.mask is not None
        near = ndimage.binary_dilation(found.mask, np.ones((3, 3, 3)), iterations=SOFT_EDGE)
        visible = np.abs(found.voxels - head().voxels) >= VISIBLE * head().contrast
        assert (visible & ~near).sum() <= 0.01 * found.mask.sum()


@pytest.mark.parametrize("name", LOCAL)
def test_most_of_a_mask_is_visibly_changed(name: str) -> None:
    found = [planted(name, head(), strength=1.0, seed=seed) for seed in SEEDS]
    visible = [np.abs(f.voxels - head().voxels) >= VISIBLE * head().contrast for f in found]
    shares = [v[f.mask].mean() for v, f in zip(visible, found, strict=True)]
    assert np.mean(shares) > 0.4


@pytest.mark.parametrize("name", NAMES)
def test_more_strength_changes_more(name: str) -> None:
    low, middle, high = (change(name, strength=strength) for strength in (0.2, 0.6, 1.0))
    assert low < middle < 1.15 * high  # steps of whole voxels may level off


@pytest.mark.parametrize("name", NAMES)
def test_a_dose_means_the_same_on_any_scale_of_intensities(name: str) -> None:
    plain = ball(*GRIDS["tiny"])
    scaled = Canvas(plain.voxels * 8 - 1024, plain.body, plain.spacing)
    changes = [
        np.abs(planted(name, canvas).voxels - canvas.voxels).mean() / canvas.contrast
        for canvas in (plain, scaled)
    ]
    assert changes[0] == pytest.approx(changes[1], rel=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_a_family_can_be_sent_to_another_process(name: str) -> None:
    sent = pickle.loads(pickle.dumps(FAMILIES[name]))  # noqa: S301  our own
    found = sent.plant(head(), 0.6, np.random.default_rng(0))
    np.testing.assert_array_equal(found.voxels, planted(name, head()).voxels)


@pytest.mark.parametrize("name", NAMES)
def test_a_family_says_what_it_is(name: str) -> None:
    family = FAMILIES[name]
    assert family.name == name
    assert family.modalities <= {"mr", "ct"}
    assert family.modalities
    assert not family.description.endswith(".")


@pytest.mark.parametrize("strength", [0.0, -1.0, 1.01, float("nan")])
def test_a_strength_out_of_range_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="above 0 and up to 1"):
        planted("noise", head(), strength=strength)


def test_an_unknown_family_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(ValueError, match="checkerboard"):
        planted("chekerboard", head())


def test_a_scan_of_one_value_is_refused() -> None:
    canvas = Canvas(np.ones((9, 9, 9), np.float32), np.ones((9, 9, 9), bool), (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="same value"):
        planted("noise", canvas)


@pytest.mark.parametrize("name", ["sheared", "missing-slices", "gibbs", "zipper"])
def test_too_few_slices_are_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(ValueError, match=r"needs an axis of at least 8 voxels; .* 5 x 5 x 5\.$"):
        planted(name, ball((5, 5, 5), (1.0, 1.0, 1.0)))


def test_leaning_needs_a_second_axis() -> None:
    with pytest.raises(ValueError, match="needs another axis"):
        planted("sheared", ball((30, 4, 4), (1.0, 1.0, 1.0)))
