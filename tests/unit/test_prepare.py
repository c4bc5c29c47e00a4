"""Scans come onto a common grid without moving in the world, and maps find their way back."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation
from stand_in import ref_of, scan_of

from pytest_safegen.core.errors import NotJudged
from pytest_safegen.core.scan import Prepared, Scan
from pytest_safegen.prepare.canonical import canonical
from pytest_safegen.prepare.guess import common_options, guess_options
from pytest_safegen.prepare.options import PrepareOptions
from pytest_safegen.prepare.registration import _register_once, register
from pytest_safegen.prepare.resample import (
    correlation,
    onto_prepared_grid,
    resample,
    spacing_of,
    to_scan_grid,
    world_position,
)
from pytest_safegen.prepare.template import Template, align, build_template
from pytest_safegen.testing import SPACING, phantom

HOUNSFIELD = PrepareOptions(3.0, "ct", "centre")
HEAD = PrepareOptions(4.0, "mr", "affine")
ORIENTATIONS = [
    "".join(codes) for axes in permutations(("RL", "AP", "SI")) for codes in product(*axes)
]
orientations = st.sampled_from(ORIENTATIONS)
spacings = st.tuples(*[st.sampled_from([1.5, 2.0, 3.0, 4.5])] * 3)
places = st.tuples(*[st.floats(-200, 200)] * 3)
few = settings(max_examples=25, deadline=None)


def picture(points: np.ndarray) -> np.ndarray:
    """A smooth picture without any symmetry, in Hounsfield units; `points` (..., 3) in mm."""
    x, y, z = np.moveaxis(points / 40.0, -1, 0)
    return np.asarray(300 * np.sin(x + 0.5) + 200 * np.cos(1.3 * y + 0.2) + 150 * np.sin(0.7 * z))


def positions(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    index = np.moveaxis(np.indices(shape), 0, -1)
    return index @ affine[:3, :3].T + affine[:3, 3]


def grid(codes: str, spacing: Any, place: Any = (0, 0, 0), turn: Any = (0, 0, 0)) -> np.ndarray:
    """An affine whose axes point where the codes say, turned by angles in degrees."""
    turned = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(codes), (1, 1, 1))
    affine = np.eye(4)
    affine[:3, :3] = (
        Rotation.from_euler("xyz", turn, degrees=True).as_matrix() @ np.linalg.inv(turned)[:3, :3]
    )
    affine[:3, :3] = affine[:3, :3] @ np.diag(spacing)
    affine[:3, 3] = place
    return affine


def photographed(affine: np.ndarray, shape: tuple[int, int, int] = (24, 26, 28)) -> Scan:
    return scan_of(picture(positions(shape, affine)), affine=affine)


def wrong_by(prepared: Prepared) -> float:
    """The largest difference from the picture, in Hounsfield units, off the border."""
    shown = prepared.voxels * 2000 - 1000
    truth = picture(positions(prepared.voxels.shape, prepared.affine))
    inner = (slice(3, -3),) * 3
    return float(np.abs(shown - truth)[inner].max())


@few
@given(orientations, spacings, places)
def test_a_canonical_scan_shows_the_same_picture_in_the_world(
    codes: str, spacing: Any, place: Any
) -> None:
    assert wrong_by(canonical(photographed(grid(codes, spacing, place)), HOUNSFIELD)) < 12


@few
@given(orientations, spacings, st.tuples(*[st.floats(-25, 25)] * 3))
def test_an_oblique_scan_shows_the_same_picture_in_the_world(
    codes: str, spacing: Any, turn: Any
) -> None:
    scan = photographed(grid(codes, spacing, turn=turn))
    assert wrong_by(canonical(scan, HOUNSFIELD)) < 12


@few
@given(orientations, spacings)
def test_a_canonical_scan_points_right_anterior_superior(codes: str, spacing: Any) -> None:
    prepared = canonical(photographed(grid(codes, spacing)), HOUNSFIELD)
    assert nib.orientations.aff2axcodes(prepared.affine) == ("R", "A", "S")


@few
@given(orientations, spacings)
def test_a_canonical_scan_is_isotropic(codes: str, spacing: Any) -> None:
    prepared = canonical(photographed(grid(codes, spacing)), HOUNSFIELD)
    np.testing.assert_allclose(spacing_of(prepared.affine), 3.0, atol=1e-6)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_the_order_of_the_axes_does_not_matter(codes: str) -> None:
    scan = photographed(grid("RAS", (3, 3, 3)))
    turn = nib.orientations.axcodes2ornt(codes)
    turned = nib.orientations.apply_orientation(scan.voxels, turn)
    back = scan.affine @ nib.orientations.inv_ornt_aff(turn, scan.voxels.shape)
    prepared = canonical(replace(scan, voxels=turned, affine=back), HOUNSFIELD)
    np.testing.assert_array_equal(prepared.voxels, canonical(scan, HOUNSFIELD).voxels)


@few
@given(st.floats(0.01, 1000), st.floats(-5000, 5000))
def test_the_scale_of_mr_does_not_matter(gain: float, offset: float) -> None:
    scan = phantom(1)
    other = replace(scan, voxels=(gain * scan.voxels + gain * offset).astype(np.float32))
    one, two = canonical(scan, HEAD), canonical(other, HEAD)
    np.testing.assert_allclose(one.voxels, two.voxels, atol=2e-3)


def test_hounsfield_units_keep_their_scale() -> None:
    values = np.linspace(-1200, 1500, 1000).reshape(10, 10, 10)
    prepared = canonical(scan_of(values, affine=grid("RAS", (3, 3, 3))), HOUNSFIELD)
    np.testing.assert_allclose(prepared.voxels, np.clip((values + 1000) / 2000, 0, 1), atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("options", [HOUNSFIELD, HEAD])
def test_a_scan_that_is_not_finite_is_not_judged(value: float, options: PrepareOptions) -> None:
    values = np.array(phantom(1).voxels)
    values[3, 3, 3] = value
    with pytest.raises(NotJudged, match="not finite"):
        canonical(replace(phantom(1), voxels=values), options)


@pytest.mark.parametrize("value", [0.0, -1024.0, 7.0])
@pytest.mark.parametrize("options", [HOUNSFIELD, HEAD])
def test_a_constant_scan_is_not_judged(value: float, options: PrepareOptions) -> None:
    with pytest.raises(NotJudged, match="same value"):
        canonical(scan_of(np.full((12, 12, 12), value)), options)


def test_a_nearly_empty_scan_is_not_judged() -> None:
    values = np.zeros((40, 40, 40))
    values[20, 20, 20] = 100
    with pytest.raises(NotJudged, match="hardly any voxel"):
        canonical(scan_of(values, affine=grid("RAS", (4, 4, 4))), HEAD)


@pytest.mark.parametrize("part", ["voxels", "body"])
def test_a_prepared_scan_cannot_be_written_to(part: str) -> None:
    assert not getattr(canonical(phantom(1), HEAD), part).flags.writeable


def test_preparing_leaves_the_scan_as_it_was() -> None:
    scan = phantom(1)
    canonical(replace(scan), HEAD)
    np.testing.assert_array_equal(scan.voxels, phantom(1).voxels)


def test_the_body_is_where_the_head_is() -> None:
    scan = phantom(1)
    body, head = canonical(scan, HEAD).body, scan.voxels > 50
    assert 2 * (body & head).sum() / (body.sum() + head.sum()) > 0.97


def test_a_hole_in_the_head_belongs_to_the_body() -> None:
    values = np.array(phantom(1).voxels)
    values[18:22, 22:26, 18:22] = 0
    assert canonical(replace(phantom(1), voxels=values), HEAD).body[20, 24, 20]


def test_a_speck_beside_the_head_is_no_body() -> None:
    values = np.array(phantom(1).voxels)
    values[1:3, 1:3, 1:3] = 100
    assert not canonical(replace(phantom(1), voxels=values), HEAD).body[:4, :4, :4].any()


def test_the_body_in_ct_is_what_is_denser_than_air() -> None:
    values = np.where(phantom(1).voxels > 50, 40.0, -1000.0)
    scan = replace(phantom(1), voxels=values.astype(np.float32))
    body = canonical(scan, PrepareOptions(4.0, "ct", "affine")).body
    head = values > 0
    assert 2 * (body & head).sum() / (body.sum() + head.sum()) > 0.97


def test_a_crop_is_body_everywhere() -> None:
    assert canonical(photographed(grid("RAS", (3, 3, 3))), HOUNSFIELD).body.all()


def chest(*, modality: str | None) -> Scan:
    values = np.where(phantom(1).voxels > 50, 40.0, -1000.0).astype(np.float32)
    return replace(phantom(1), voxels=values, ref=ref_of("sub-01", modality=modality))


@pytest.mark.parametrize("modality", ["ct", "CT", None])
def test_ct_is_known_by_name_or_by_its_air(modality: str | None) -> None:
    assert guess_options(chest(modality=modality)).intensity == "ct"


@pytest.mark.parametrize("modality", ["T1w", None])
def test_what_holds_no_air_is_mr(modality: str | None) -> None:
    scan = replace(phantom(1), ref=ref_of("sub-01", modality=modality))
    assert guess_options(scan).intensity == "mr"


def test_standardised_values_are_mr() -> None:
    values = np.random.default_rng(0).normal(size=(20, 20, 20))
    assert guess_options(scan_of(values, modality=None)).intensity == "mr"


def test_a_whole_head_is_registered() -> None:
    assert guess_options(phantom(1)).align == "affine"


def test_a_crop_of_tissue_is_centred() -> None:
    values = 100 + np.random.default_rng(0).normal(size=(20, 20, 20))
    assert guess_options(scan_of(values)).align == "centre"


@pytest.mark.parametrize(
    ("affine", "shape", "spacing"),
    [
        (np.diag([1.0, 1, 1, 1]), (112, 100, 90), 1.0),
        (np.diag([1.0, 1, 1, 1]), (224, 200, 90), 2.0),
        (np.diag([0.5, 0.5, 0.5, 1]), (60, 60, 60), 0.5),
        (np.diag([4.0, 4, 4, 1]), (40, 48, 40), 4.0),
    ],
)
def test_the_spacing_is_the_files_own_unless_the_scan_is_large(
    affine: np.ndarray, shape: tuple[int, ...], spacing: float
) -> None:
    values = np.zeros(shape, np.float32)
    values[5:-5, 5:-5, 5:-5] = 100
    assert guess_options(scan_of(values, affine=affine)).spacing == spacing


def test_a_spacing_that_is_asked_for_is_taken() -> None:
    assert guess_options(phantom(1), spacing=2.5).spacing == 2.5


def test_options_of_a_cohort_are_those_of_most_scans() -> None:
    crop = PrepareOptions(1.0, "ct", "centre")
    assert common_options([crop, replace(crop, spacing=2.0), HEAD]) == replace(crop, spacing=2.0)


@few
@given(
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.tuples(*[st.floats(-3, 3)] * 3),
    st.sampled_from([0, 1]),
)
def test_resampling_agrees_with_scipy(turn: Any, shift: Any, order: int) -> None:
    values = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(14, 15, 16)), 1.5)
    source, target = grid("LPS", (2, 2.5, 3), (5, 6, 7)), grid("RAS", (1.5, 2, 2), (1, 2, 3))
    mapping = np.eye(4)
    mapping[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    mapping[:3, 3] = shift
    found = resample(
        values, source, to_affine=target, to_shape=(12, 13, 11), mapping=mapping, order=order
    )
    index = np.linalg.inv(source) @ mapping @ target
    expected = ndimage.affine_transform(
        values, index[:3, :3], index[:3, 3], (12, 13, 11), order=order
    )
    where = positions((12, 13, 11), index)
    inside = ((where > 0) & (where < np.array(values.shape) - 1)).all(axis=-1)
    if order == 0:
        inside &= (np.abs(where % 1 - 0.5) > 1e-3).all(axis=-1)
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-4)


def test_resampling_fills_what_lies_outside() -> None:
    far = grid("RAS", (1, 1, 1), (100, 100, 100))
    found = resample(np.ones((4, 4, 4)), np.eye(4), to_affine=far, to_shape=(2, 2, 2), fill=-7)
    np.testing.assert_array_equal(found, -7)


def test_resampling_onto_the_same_grid_changes_nothing() -> None:
    values = np.random.default_rng(0).random((5, 6, 7)).astype(np.float32)
    found = resample(values, np.eye(4), to_affine=np.eye(4), to_shape=values.shape)
    np.testing.assert_allclose(found, values, atol=1e-6)


def moved(fixed: Prepared, mapping: np.ndarray) -> Prepared:
    """The fixed scan as it looks where `mapping` (fixed mm to moving mm) carries it."""
    back = np.linalg.inv(mapping)
    voxels, body = (
        resample(
            np.asarray(part, np.float32),
            fixed.affine,
            to_affine=fixed.affine,
            to_shape=fixed.voxels.shape,
            mapping=back,
        )
        for part in (fixed.voxels, fixed.body)
    )
    return Prepared(voxels, body > 0.5, fixed.affine, np.eye(4))


def off_by(found: np.ndarray, truth: np.ndarray, fixed: Prepared) -> float:
    """The mean distance in mm over the body between two maps."""
    points = positions(fixed.voxels.shape, fixed.affine)[fixed.body]
    one, two = (points @ m[:3, :3].T + m[:3, 3] for m in (found, truth))
    return float(np.linalg.norm(one - two, axis=1).mean())


PLACE = np.array([60.0, -80.0, 40.0])


def far_off(subject: int) -> Prepared:
    """A phantom that does not lie about the origin of its world."""
    scan = phantom(subject)
    affine = np.array(scan.affine)
    affine[:3, 3] += PLACE
    return canonical(replace(scan, affine=affine), HEAD)


def known_map(*, degrees: Any, shift: Any, scale: Any = (1, 1, 1)) -> np.ndarray:
    """A turn about `PLACE`, then a shift in mm."""
    mapping = np.eye(4)
    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    mapping[:3, :3] = turn @ np.diag(scale)
    mapping[:3, 3] = PLACE - mapping[:3, :3] @ PLACE + shift
    return mapping


RIGID = [
    known_map(degrees=(0, 0, 0), shift=(0, 0, 0)),
    known_map(degrees=(8, 0, 0), shift=(6, -5, 4)),
    known_map(degrees=(-4, 6, -7), shift=(-8, 3, 6)),
]


@pytest.mark.parametrize("truth", RIGID)
def test_registration_finds_a_rigid_movement(truth: np.ndarray) -> None:
    fixed = far_off(1)
    found = register(fixed, moved(fixed, truth), kind="rigid")
    assert off_by(found, truth, fixed) < SPACING


def test_registration_finds_the_angle() -> None:
    fixed = far_off(1)
    found = register(fixed, moved(fixed, RIGID[1]), kind="rigid")
    turn = Rotation.from_matrix(found[:3, :3] @ RIGID[1][:3, :3].T).magnitude()
    assert np.degrees(turn) < 3.0


def test_registration_finds_an_affine_change() -> None:
    fixed = far_off(1)
    truth = known_map(degrees=(4, -3, 3), shift=(5, -4, 3), scale=(1.08, 0.94, 1.03))
    assert off_by(register(fixed, moved(fixed, truth), kind="affine"), truth, fixed) < SPACING


def test_a_rigid_registration_keeps_lengths() -> None:
    fixed = canonical(phantom(1), HEAD)
    found = register(fixed, canonical(phantom(2), HEAD), kind="rigid")
    np.testing.assert_allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-6)


def test_registration_gives_the_same_twice() -> None:
    fixed, other = (canonical(phantom(n), HEAD) for n in (1, 2))
    one, two = (register(fixed, other, kind="affine") for _ in range(2))
    np.testing.assert_allclose(one, two, atol=1e-9)


IMPOSSIBLE = {
    "mirrored": np.diag([-1.0, 1, 1, 1]),
    "flattened": np.diag([1.0, 1, 0.3, 1]),
    "stretched": np.diag([1.0, 2.5, 1, 1]),
}


def goes_astray(monkeypatch: pytest.MonkeyPatch, end: np.ndarray, *, times: int) -> None:
    """Let the first runs of a registration end at one map, with the best value of all."""
    once, strays = _register_once, iter(range(times))

    def run(*images: Any, **options: Any) -> tuple[float, np.ndarray]:
        return once(*images, **options) if next(strays, None) is None else (-9.0, end)

    monkeypatch.setattr("pytest_safegen.prepare.registration._register_once", run)


@pytest.mark.parametrize("end", IMPOSSIBLE)
def test_a_registration_that_goes_astray_is_run_again(
    monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    fixed = far_off(1)
    goes_astray(monkeypatch, IMPOSSIBLE[end], times=1)
    found = register(fixed, moved(fixed, RIGID[1]), kind="rigid")
    assert off_by(found, RIGID[1], fixed) < SPACING


def test_a_scan_whose_registration_always_goes_astray_is_not_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fixed = far_off(1)
    goes_astray(monkeypatch, IMPOSSIBLE["mirrored"], times=2)
    with pytest.raises(NotJudged, match="mirrored or out of shape"):
        register(fixed, fixed, kind="affine")


@pytest.fixture(scope="module")
def template() -> Template:
    return build_template([canonical(phantom(n), HEAD) for n in range(3)], HEAD, rounds=1)


@pytest.fixture(scope="module")
def turned() -> Scan:
    """A phantom whose file has other axes and lies elsewhere in the world."""
    scan = phantom(5)
    turn = nib.orientations.axcodes2ornt("PSL")
    values = nib.orientations.apply_orientation(scan.voxels, turn)
    place = known_map(degrees=(5, 0, -4), shift=(30, -40, 20))
    affine = place @ scan.affine @ nib.orientations.inv_ornt_aff(turn, scan.voxels.shape)
    return replace(scan, voxels=np.ascontiguousarray(values), affine=affine)


@pytest.fixture(scope="module")
def aligned(template: Template, turned: Scan) -> Prepared:
    return align(canonical(turned, HEAD), template)


def test_an_aligned_scan_lies_on_the_grid_of_the_template(
    aligned: Prepared, template: Template
) -> None:
    assert aligned.voxels.shape == template.voxels.shape
    np.testing.assert_array_equal(aligned.affine, template.affine)


def test_an_aligned_scan_looks_like_the_template(aligned: Prepared, template: Template) -> None:
    assert aligned.similarity is not None
    assert aligned.similarity > 0.5


def test_aligning_gives_the_same_twice(aligned: Prepared, template: Template, turned: Scan) -> None:
    again = align(canonical(turned, HEAD), template)
    np.testing.assert_allclose(again.voxels, aligned.voxels, atol=1e-6)


def test_a_map_finds_its_way_back_to_the_scan(aligned: Prepared, turned: Scan) -> None:
    smooth = ndimage.gaussian_filter(np.asarray(turned.voxels), 2.0)
    back = to_scan_grid(onto_prepared_grid(smooth, aligned, turned), aligned, turned)
    inside = ndimage.binary_erosion(turned.voxels > 50, iterations=3)
    assert np.abs(back - smooth)[inside].max() < 3.0


def test_a_map_on_the_scans_grid_has_its_shape(aligned: Prepared, turned: Scan) -> None:
    assert to_scan_grid(aligned.voxels, aligned, turned).shape == turned.voxels.shape


def test_a_place_on_the_prepared_grid_has_its_place_in_the_scan(
    aligned: Prepared, turned: Scan
) -> None:
    spot = np.zeros(aligned.voxels.shape, np.float32)
    index = tuple(int(n) for n in np.argwhere(aligned.body)[1000])
    spot[index] = 1.0
    on_scan = to_scan_grid(ndimage.gaussian_filter(spot, 2.0), aligned, turned)
    peak = np.unravel_index(int(on_scan.argmax()), on_scan.shape)
    there = (turned.affine @ [*peak, 1.0])[:3]
    assert np.linalg.norm(there - np.array(world_position(aligned, index))) < 4.0


def test_crops_are_laid_over_by_their_middles() -> None:
    options = PrepareOptions(2.0, "ct", "centre")
    values = np.random.default_rng(0).normal(0, 300, (13, 13, 13))
    here, there = (grid("RAS", (2, 2, 2), place) for place in ((0, 0, 0), (70, -30, 5)))
    template = build_template([canonical(scan_of(values, affine=here), options)], options)
    found = align(canonical(scan_of(values, affine=there), options), template)
    assert found.similarity == pytest.approx(1.0, abs=1e-4)


def test_correlation_agrees_with_numpy() -> None:
    a, b = np.random.default_rng(0).random((2, 5, 5, 5)).astype(np.float32)
    where = a > 0.3
    assert correlation(a, b, where=where) == pytest.approx(np.corrcoef(a[where], b[where])[0, 1])


@pytest.mark.parametrize("where", [np.zeros((3, 3, 3), bool), np.ones((3, 3, 3), bool)])
def test_correlation_with_a_constant_is_0(where: np.ndarray) -> None:
    a = np.random.default_rng(0).random((3, 3, 3)).astype(np.float32)
    assert correlation(a, np.ones((3, 3, 3), np.float32), where=where) == 0.0


def stated(spacing: float, *, voxels: int = 8) -> Prepared:
    """A prepared head of which a cube in the middle is stated to be pathology."""
    scan = phantom(1)
    mask = np.zeros(scan.voxels.shape, dtype=bool)
    mask[20 : 20 + voxels, 24 : 24 + voxels, 16 : 16 + voxels] = True
    return canonical(replace(scan, mask=mask), replace(HEAD, spacing=spacing))


@pytest.mark.parametrize("spacing", [2.0, 4.0, 8.0])
def test_stated_pathology_keeps_its_place_and_size(spacing: float) -> None:
    own = stated(spacing)

    assert own.pathology is not None
    assert own.pathology.shape == own.voxels.shape
    places = np.argwhere(own.pathology) @ own.affine[:3, :3].T + own.affine[:3, 3]
    middle = phantom(1).affine @ [23.5, 27.5, 19.5, 1]
    np.testing.assert_allclose(places.mean(0), middle[:3], atol=spacing)
    volume = own.pathology.sum() * spacing**3
    assert volume == pytest.approx((8 * SPACING) ** 3, rel=0.8)
    assert volume >= (8 * SPACING) ** 3


def test_a_small_part_of_a_voxel_is_not_stated() -> None:
    own = stated(16.0, voxels=1)

    assert own.pathology is not None
    assert not own.pathology.any()


@pytest.mark.parametrize("mask", [None, np.zeros(phantom(1).voxels.shape, dtype=bool)])
def test_where_nothing_is_stated_there_is_no_pathology(mask: Any) -> None:
    assert canonical(replace(phantom(1), mask=mask), HEAD).pathology is None


def test_stated_pathology_cannot_be_written() -> None:
    own = stated(4.0)

    assert own.pathology is not None
    assert not own.pathology.flags.writeable


@pytest.mark.parametrize("options", [HEAD, HOUNSFIELD])
def test_a_prepared_scan_knows_its_kind_of_scale(options: PrepareOptions) -> None:
    assert canonical(phantom(1), options).intensity == options.intensity
