"""Faults do what their names say, at strength 1."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import fft

from pytest_safegen.faults import Canvas, Planted, plant
from pytest_safegen.faults.axes import extent
from pytest_safegen.faults.symmetry import mirror_axis, mirrored

pytestmark = pytest.mark.slow

SHAPE = (40, 44, 36)
SEEDS = range(5)


def canvas(*, donor: float | None = None, spacing: tuple[float, ...] = (2.0, 2.0, 2.0)) -> Canvas:
    """A textured ellipsoid of about 100, without noise in the background of 0."""
    random = np.random.default_rng(3)
    away = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    body = (away[0] / 0.6) ** 2 + (away[1] / 0.8) ** 2 + (away[2] / 0.7) ** 2 < 1
    values = np.where(body, 100 + 10 * random.normal(size=SHAPE), 0).astype(np.float32)
    other = None if donor is None else np.full(SHAPE, donor, np.float32)
    i, j, k = spacing
    return Canvas(values, body, (i, j, k), other)


def planted(name: str, on: Canvas, *, seed: int = 0, strength: float = 1.0) -> Planted:
    return plant(name, on, strength=strength, random=np.random.default_rng(seed))


def core(found: Planted) -> np.ndarray:
    """The mask without its edge, where a soft region is all fault."""
    from scipy import ndimage

    assert found.mask is not None
    return ndimage.binary_erosion(found.mask, iterations=2)


def slices_that_changed(before: Canvas, after: Planted, axis: int) -> np.ndarray:
    others = tuple(own for own in range(3) if own != axis)
    return np.flatnonzero((before.voxels != after.voxels).any(axis=others))


def test_a_checkerboard_changes_sign_from_voxel_to_voxel() -> None:
    clean = canvas()
    found = planted("checkerboard", clean)
    change = (found.voxels - clean.voxels)[clean.body]
    sign = (np.indices(SHAPE).sum(0) % 2)[clean.body]
    assert set(np.sign(change[sign == 0])) == {1.0}
    assert set(np.sign(change[sign == 1])) == {-1.0}


def test_a_checkerboard_patch_does_too() -> None:
    clean = canvas()
    found = planted("checkerboard-patch", clean)
    change = np.sign(found.voxels - clean.voxels)
    where = core(found)
    board = 1 - 2 * (np.indices(SHAPE).sum(0) % 2)
    assert len(set((change * board)[where & clean.body])) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_missing_slice_is_blank(seed: int) -> None:
    clean = canvas(spacing=(1.0, 1.0, 3.0))
    found = planted("missing-slices", clean, seed=seed)
    gone = slices_that_changed(clean, found, 2)
    assert 1 <= gone.size <= 4
    assert not found.voxels[:, :, gone].any()


def test_repeated_slices_are_equal() -> None:
    clean = canvas(spacing=(1.0, 1.0, 3.0))
    found = planted("repeated-slices", clean)
    again = slices_that_changed(clean, found, 2)
    for n in again:
        np.testing.assert_array_equal(found.voxels[:, :, n], clean.voxels[:, :, again[0] - 1])


def test_shuffled_slices_are_the_same_slices() -> None:
    clean = canvas(spacing=(1.0, 1.0, 3.0))
    found = planted("shuffled-slices", clean)
    sums = [np.sort(voxels.sum(axis=(0, 1))) for voxels in (clean.voxels, found.voxels)]
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-6)


def test_slices_lie_across_the_thickest_voxels() -> None:
    clean = canvas(spacing=(1.0, 4.0, 1.0))
    found = planted("missing-slices", clean)
    assert slices_that_changed(clean, found, 1).size <= 4


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mirrored_half_makes_a_symmetric_scan(seed: int) -> None:
    clean = canvas()
    found = planted("mirror-half", clean, seed=seed).voxels
    axis, about = mirror_axis(clean)
    np.testing.assert_array_equal(found, mirrored(found, axis=axis, about=about))


def test_the_mirror_axis_is_the_most_symmetric_one() -> None:
    random = np.random.default_rng(0)
    half = random.normal(size=(20, 15, 30)).astype(np.float32)
    voxels = np.concatenate([half, half[:, ::-1]], axis=1)
    both = Canvas(voxels, np.ones(voxels.shape, bool), (1.0, 1.0, 1.0))
    assert mirror_axis(both) == (1, 14.5)


@pytest.mark.parametrize("name", ["foreign-blend", "foreign-hard"])
@pytest.mark.parametrize("seed", SEEDS)
def test_foreign_tissue_is_the_donors(name: str, seed: int) -> None:
    found = planted(name, canvas(donor=60.0), seed=seed)
    assert found.voxels[core(found)] == pytest.approx(60.0, abs=1e-3)


def test_foreign_tissue_without_a_donor_is_the_scans_own() -> None:
    clean = canvas()
    found = planted("foreign-hard", clean)
    assert np.isin(found.voxels, clean.voxels).all()


def test_blended_foreign_tissue_meets_its_surroundings() -> None:
    """A donor of one value has no structure of its own: only the membrane is left."""
    clean = canvas(donor=500.0)
    found = planted("foreign-poisson", clean)
    inside = core(found) & clean.body
    assert float(np.abs(found.voxels[inside]).max()) < clean.voxels.max() * 1.3


def test_two_patients_are_their_mean() -> None:
    clean = canvas(donor=50.0)
    np.testing.assert_allclose(planted("two-patients", clean).voxels, (clean.voxels + 50) / 2)


def test_dropped_tissue_is_background() -> None:
    found = planted("dropout", canvas())
    assert not found.voxels[core(found)].any()


def test_flat_tissue_has_one_value() -> None:
    found = planted("flat-fill", canvas())
    assert float(np.ptp(found.voxels[core(found)])) < 1e-3


def test_few_grey_levels_are_left() -> None:
    assert len(np.unique(planted("posterized", canvas()).voxels)) < 8


def test_saturated_tissue_has_a_top() -> None:
    clean = canvas()
    assert planted("saturated", clean).voxels.max() == pytest.approx(0.5 * clean.contrast)


def test_rician_noise_is_never_below_the_background() -> None:
    assert planted("rician-noise", canvas()).voxels.min() >= 0


def test_noise_has_the_dose_it_says() -> None:
    clean = canvas()
    change = planted("noise", clean).voxels - clean.voxels
    assert float(change.std()) == pytest.approx(0.15 * clean.contrast, rel=0.02)


def test_thick_slices_repeat_along_one_axis() -> None:
    found = planted("thick-slices", canvas(spacing=(1.0, 1.0, 3.0))).voxels
    equal = (found[:, :, 1:] == found[:, :, :-1]).all(axis=(0, 1))
    assert equal.mean() > 0.7


def test_a_blurred_scan_has_lost_detail() -> None:
    clean = canvas()
    found = planted("blur", clean).voxels
    assert np.diff(found, axis=0).std() < 0.5 * np.diff(clean.voxels, axis=0).std()


def test_truncated_k_space_has_no_high_frequencies() -> None:
    clean, found = canvas(), planted("gibbs", canvas()).voxels
    power = [np.abs(fft.fftn(voxels)) for voxels in (clean.voxels, found)]
    outer = [
        [p[n // 2] if axis == 0 else p.take(n // 2, axis) for p in power]
        for axis, n in enumerate(SHAPE)
    ]
    assert any(after.max() < 1e-3 * before.max() for before, after in outer)


def test_folded_views_keep_their_signal() -> None:
    clean = canvas()
    found = planted("wrap-around", clean).voxels
    assert float(found.sum()) == pytest.approx(float(clean.voxels.sum()), rel=1e-5)


def test_a_truncated_view_is_blank_at_one_end() -> None:
    clean = canvas()
    found = planted("truncated-view", clean)
    left = Canvas(found.voxels, found.voxels > 0, clean.spacing)
    lengths = [np.subtract(*extent(own, axis)) for axis in range(3) for own in (left, clean)]
    ratios = np.divide(lengths[::2], lengths[1::2])
    assert min(ratios) == pytest.approx(0.55, abs=0.05)


def test_a_wrong_scale_shows_in_one_axis_only() -> None:
    clean = canvas()
    found = planted("wrong-scale", clean)
    left = Canvas(found.voxels, found.voxels > 20, clean.spacing)
    ratios = [
        np.subtract(*extent(left, axis)) / np.subtract(*extent(clean, axis)) for axis in range(3)
    ]
    assert sum(ratio == pytest.approx(1, abs=0.1) for ratio in ratios) == 2


def test_a_metal_dot_is_brighter_than_everything() -> None:
    clean = canvas()
    assert planted("metal-dot", clean).voxels.max() > 2 * clean.voxels.max()


def test_a_zipper_is_a_thin_sheet() -> None:
    for seed in SEEDS:
        mask = planted("zipper", canvas(), seed=seed).mask
        assert mask is not None
        assert min(np.ptp(index) + 1 for index in np.nonzero(mask)) <= 3


def test_a_ring_lies_about_the_middle_of_its_slices() -> None:
    mask = planted("ring-arc", canvas(spacing=(1.0, 1.0, 1.0)), seed=1).mask
    assert mask is not None
    i, j, _ = np.nonzero(mask)
    radius = np.hypot(i - 19.5, j - 21.5)
    assert radius.std() < 3


def test_interleaved_slices_are_bright_and_dark_in_turn() -> None:
    clean = canvas(spacing=(1.0, 1.0, 3.0))
    ratio = planted("interleaved-gain", clean).voxels.sum((0, 1)) / np.maximum(
        clean.voxels.sum((0, 1)), 1
    )
    inside = slice(*extent(clean, 2))
    steps = np.arange(SHAPE[2]) % 2
    np.testing.assert_allclose(ratio[inside], np.where(steps == 0, 1.25, 0.75)[inside], rtol=1e-4)
