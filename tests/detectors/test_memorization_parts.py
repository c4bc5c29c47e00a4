"""The parts of the memorization check: patterns, blocks, poses, evidence."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy import ndimage
from scipy.fft import dctn

from pytest_safegen import Prepared
from pytest_safegen.prepare.options import Alignment, PrepareOptions
from pytest_safegen.prepare.template import Template
from safegen_detectors.memorization.features.descriptors import (
    Describer,
    frequencies,
    frequency_weights,
    shifts,
    unit_length,
)
from safegen_detectors.memorization.features.lattice import (
    BLOCK,
    REACH,
    Lattice,
    average_over_blocks,
    lattice_of,
)
from safegen_detectors.memorization.features.pattern import identity_pattern
from safegen_detectors.memorization.fit import find_identities, same_identity
from safegen_detectors.memorization.pseudonyms import Pseudonyms
from safegen_detectors.memorization.search.index import (
    Index,
    neighbourhood_means,
    person_names,
    person_numbers,
)
from safegen_detectors.memorization.search.margins import (
    Margins,
    standard_scores,
    strongest_margins,
)
from safegen_detectors.memorization.search.match import Likeness, likenesses
from safegen_detectors.memorization.search.poses import Pose, all_poses, describe_pose

SHAPE = (31, 31, 31)
EVERYWHERE = np.ones(SHAPE, dtype=bool)
PATIENTS = range(5)
LATTICE = lattice_of(EVERYWHERE, mirrored=(0, 1, 2))
CROPS = PrepareOptions(1.0, "mr", "centre")
BODIES = PrepareOptions(1.0, "mr", "affine")
EQUAL = (1.0, 1.0, 1.0, 1.0)
TURNS = st.sampled_from(all_poses())


def prepared(seed: int) -> Prepared:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 1.2)
    voxels = (0.5 + 0.1 * field / field.std()).astype(np.float32)
    return Prepared(voxels, EVERYWHERE, np.eye(4), np.eye(4))


def index_for(options: PrepareOptions) -> Index:
    plain = Describer(LATTICE, torch.ones(len(frequencies())))
    raw = [plain.coefficients(identity_pattern(prepared(n)), reach=0)[:, 0] for n in PATIENTS]
    describer = Describer(LATTICE, frequency_weights(torch.stack(raw)))
    return Index(
        torch.stack([describer.described(one) for one in raw], 1),
        np.array(PATIENTS),
        tuple(f"sub-{n}" for n in PATIENTS),
        describer,
        Template(prepared(0).voxels, np.ones(SHAPE, np.float32), np.eye(4), options),
        neighbourhood_means(LATTICE, "cpu"),
    )


@pytest.fixture(scope="module")
def crops() -> Index:
    return index_for(CROPS).with_spectra()


@pytest.fixture(scope="module")
def bodies() -> Index:
    return index_for(BODIES)


def loudest(index: Index, scan: Prepared) -> Margins:
    return strongest_margins(likenesses(identity_pattern(scan), index), index, EQUAL)


def with_voxels(scan: Prepared, voxels: np.ndarray) -> Prepared:
    return replace(scan, voxels=np.ascontiguousarray(voxels))


def test_the_blocks_lie_within_the_grid() -> None:
    assert LATTICE.corners.min() >= 0
    assert (LATTICE.corners.max(0) + BLOCK <= np.array(SHAPE)).all()


def test_no_block_lies_outside_the_body() -> None:
    body = EVERYWHERE.copy()
    body[:, 16:] = False

    assert lattice_of(body, mirrored=(0,)).centres()[:, 1].max() < 16 + BLOCK / 2


def test_a_body_smaller_than_a_block_has_no_blocks() -> None:
    assert len(lattice_of(np.zeros(SHAPE, dtype=bool), mirrored=(0,)).corners) == 0


def test_a_lattice_has_the_mirror_image_of_every_block() -> None:
    body = np.zeros((40, 31, 31), dtype=bool)
    body[3:30, 2:29, 4:28] = True
    cells = lattice_of(body, mirrored=(0,)).cells()

    image = cells * [-1, 1, 1] + [cells[:, 0].max(), 0, 0]

    assert set(map(tuple, image.tolist())) == set(map(tuple, cells.tolist()))


def test_a_large_body_gets_a_wider_lattice() -> None:
    assert lattice_of(np.ones((110, 110, 110), dtype=bool), mirrored=(0,)).stride > LATTICE.stride


def test_a_neighbourhood_is_a_mean_over_a_cube_of_blocks() -> None:
    cells = LATTICE.cells()
    middle = int(np.flatnonzero((cells == cells.max(0) // 2).all(1))[0])

    weights = LATTICE.neighbourhood(3)[middle]

    assert float(weights.sum()) == pytest.approx(1.0)


@settings(max_examples=10, deadline=None)
@given(gain=st.floats(0.5, 2.0), offset=st.floats(-0.2, 0.2))
def test_the_pattern_does_not_depend_on_brightness_and_contrast(gain: float, offset: float) -> None:
    scan = prepared(0)

    changed = identity_pattern(replace(scan, voxels=gain * scan.voxels + np.float32(offset)))

    assert np.corrcoef(changed.ravel(), identity_pattern(scan).ravel())[0, 1] > 0.999


def test_the_pattern_of_an_inverted_scan_is_the_negative() -> None:
    scan = prepared(0)

    inverted = identity_pattern(replace(scan, voxels=1 - scan.voxels))

    np.testing.assert_allclose(inverted, -identity_pattern(scan), atol=1e-3)


def test_the_pattern_is_blank_outside_the_body() -> None:
    body = EVERYWHERE.copy()
    body[:15] = False

    assert not identity_pattern(replace(prepared(0), body=body))[:15].any()


@pytest.mark.parametrize("shift", [(0, 0, 0), (1, -2, 0), (-2, 2, 1)])
def test_coefficients_are_those_of_the_cosine_transform(
    crops: Index, shift: tuple[int, int, int]
) -> None:
    volume = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    block, number = 7, shifts(REACH).tolist().index(list(shift))
    i, j, k = LATTICE.corners[block] + np.array(shift) + REACH
    cut = np.pad(volume, REACH)[i : i + BLOCK, j : j + BLOCK, k : k + BLOCK]

    plain = dctn(cut, norm="ortho")[tuple(frequencies().T)]
    found = crops.describer.coefficients(volume, reach=REACH)[block, number]

    np.testing.assert_allclose(found.numpy(), plain, atol=1e-4)


def test_a_part_of_the_blocks_is_described_as_in_the_whole(crops: Index) -> None:
    volume, some = identity_pattern(prepared(1)), slice(10, 20)

    found = crops.describer.describe(volume, reach=1, blocks=some)

    torch.testing.assert_close(found, crops.describer.describe(volume, reach=1)[some])


def test_descriptors_have_length_one(crops: Index) -> None:
    lengths = crops.descriptors.norm(dim=2)

    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_a_blank_block_has_a_blank_descriptor() -> None:
    assert not unit_length(torch.zeros(2, 3)).any()


def test_frequencies_that_turns_exchange_weigh_the_same() -> None:
    coefficients = torch.from_numpy(np.random.default_rng(0).normal(size=(50, len(frequencies()))))
    weights = {}
    for triple, weight in zip(
        frequencies().tolist(), frequency_weights(coefficients).tolist(), strict=True
    ):
        weights.setdefault(tuple(sorted(triple)), set()).add(weight)

    assert all(len(found) == 1 for found in weights.values())


@settings(max_examples=12, deadline=None)
@given(pose=TURNS)
def test_a_turned_scan_is_as_like_in_its_pose_as_it_was_before(pose: Pose) -> None:
    index, scan = index_for(CROPS).with_spectra(), prepared(1)
    back = np.flip(scan.voxels, np.flatnonzero(pose.flips).tolist())
    turned = with_voxels(scan, np.transpose(back, np.argsort(pose.order)))

    found = loudest(index, turned)

    assert (found.person, found.likeness.pose) == (1, pose)


@settings(max_examples=48, deadline=None)
@given(pose=TURNS)
def test_the_blocks_of_a_pose_are_all_blocks(pose: Pose) -> None:
    assert sorted(pose.blocks(LATTICE)) == list(range(len(LATTICE.corners)))


@settings(max_examples=48, deadline=None)
@given(pose=TURNS)
def test_the_frequencies_of_a_pose_are_all_frequencies(pose: Pose) -> None:
    assert sorted(pose.frequencies()[0]) == list(range(len(frequencies())))


def test_half_of_all_poses_are_mirror_images() -> None:
    assert sum(pose.mirrors for pose in all_poses()) == 24


def test_the_48_poses_differ() -> None:
    assert len({pose.matrix().tobytes() for pose in all_poses()}) == 48


@pytest.mark.parametrize(
    ("pose", "said"),
    [
        (Pose(), ""),
        (Pose(flips=(True, False, False)), "mirrored left-right"),
        (Pose(flips=(False, False, True)), "mirrored top-bottom"),
        (Pose(flips=(True, True, False)), "turned by right angles"),
        (Pose((1, 0, 2)), "mirrored and turned by right angles"),
    ],
)
def test_a_pose_is_told_in_words(pose: Pose, said: str) -> None:
    assert describe_pose(pose, Pose()) == said


@pytest.mark.parametrize("patient", PATIENTS)
def test_a_copy_speaks_for_its_patient(bodies: Index, patient: int) -> None:
    assert loudest(bodies, prepared(patient)).person == patient


@pytest.mark.parametrize("shift", [1, 2])
def test_a_copy_is_found_within_reach(bodies: Index, shift: int) -> None:
    scan = prepared(1)
    moved = with_voxels(scan, np.roll(scan.voxels, shift, axis=1))

    assert loudest(bodies, moved).person == 1


@pytest.mark.parametrize(("mirrored", "inverted"), [(True, False), (False, True), (True, True)])
def test_the_evidence_tells_how_the_copy_lies(
    bodies: Index, mirrored: bool, inverted: bool
) -> None:
    scan = prepared(2)
    voxels = scan.voxels[::-1] if mirrored else scan.voxels
    voxels = 1 - voxels if inverted else voxels

    found = loudest(bodies, with_voxels(scan, voxels))

    likeness = found.likeness
    assert (found.person, likeness.pose.mirrors, likeness.inverted) == (2, mirrored, inverted)


def test_an_unknown_patient_gets_far_less_evidence_than_a_copy(bodies: Index) -> None:
    unknown, copy = loudest(bodies, prepared(9)), loudest(bodies, prepared(1))

    assert unknown.value(EQUAL) < copy.value(EQUAL) / 4


def test_who_stands_out_does_so_in_the_others_standard_deviations() -> None:
    z = np.array([[2.0], [0.1], [0.3], [0.2]])

    found = standard_scores(torch.tanh(torch.from_numpy(z)).float())

    others = z[1:, 0]
    expected = (2.0 - others.mean()) / (others.std() + 0.02)
    assert float(found[0, 0]) == pytest.approx(expected, rel=1e-3)


def test_blank_blocks_speak_for_nobody() -> None:
    assert not standard_scores(torch.zeros(4, 3)).any()


def test_two_scans_of_one_person_are_no_rivals(bodies: Index) -> None:
    twice = replace(
        bodies,
        descriptors=torch.cat([bodies.descriptors, bodies.descriptors[:, :1]], 1),
        persons=np.array([*PATIENTS, 0]),
    )

    assert loudest(twice, prepared(0)).value(EQUAL) == pytest.approx(
        loudest(bodies, prepared(0)).value(EQUAL), rel=1e-4
    )


def test_who_has_five_scans_is_no_nearer_to_strangers(bodies: Index) -> None:
    """By the best of five scans at each block, strangers would be nearer to their person."""
    others = [prepared(number) for number in range(10, 22)]
    plain = Describer(LATTICE, torch.ones(len(frequencies())))
    more = [
        bodies.describer.described(plain.coefficients(identity_pattern(one), reach=0)[:, 0])
        for one in others
    ]
    joined = replace(
        bodies,
        descriptors=torch.cat([bodies.descriptors, torch.stack(more, 1)], 1),
        persons=np.array([*PATIENTS, *[0] * 4, *range(5, 13)]),
        names=tuple(f"sub-{n}" for n in range(13)),
    )
    found = [likenesses(identity_pattern(prepared(number)), joined)[0] for number in range(40, 46)]

    above = [float(standard_scores(one.cosines).mean(1)[0]) for one in found]

    assert np.mean(above) < 0.2


@pytest.mark.parametrize(("align", "kin"), [("affine", (12,)), ("centre", ())])
def test_twins_are_kin_but_not_crops_that_are_alike(
    bodies: Index, align: Alignment, kin: tuple[int, ...]
) -> None:
    options = replace(bodies.template.options, align=align)
    index = replace(
        bodies,
        template=replace(bodies.template, options=options),
        names=tuple(f"sub-{n}" for n in range(13)),
    )
    cosines = torch.rand(13, 50, generator=torch.Generator().manual_seed(0)) / 10
    cosines[12] += 0.5
    found = [Likeness(cosines[1:], Pose(), inverted=False, far=True)]

    assert same_identity(found, [0], index) == kin


def test_the_same_scan_of_two_persons_makes_them_rivals(bodies: Index) -> None:
    doubled = replace(
        bodies,
        descriptors=torch.cat([bodies.descriptors, bodies.descriptors[:, :1]], 1),
        persons=np.array([*PATIENTS, 5]),
        names=(*bodies.names, "sub-5"),
    )

    copied = loudest(doubled, prepared(0)).value(EQUAL)

    assert copied < loudest(bodies, prepared(0)).value(EQUAL) / 4


def test_a_person_left_out_is_not_found(bodies: Index) -> None:
    assert loudest(bodies.without(2), prepared(2)).value(EQUAL) < 3


def test_those_behind_a_person_left_out_keep_their_names(bodies: Index) -> None:
    others = bodies.without(2)

    assert others.names[loudest(others, prepared(4)).person] == "sub-4"


def test_nobody_left_out_changes_nothing(bodies: Index) -> None:
    assert bodies.without(-1) is bodies


def test_the_value_is_the_strongest_in_units_of_its_scale(bodies: Index) -> None:
    found = loudest(bodies, prepared(9))

    values = [a / b for a, b in zip(found.strengths, (1.0, 2.0, 0.1, 1.0), strict=True)]

    assert found.value((1.0, 2.0, 0.1, 1.0)) == max(values)


def test_the_same_person_under_two_names_gets_one(bodies: Index) -> None:
    doubled = torch.cat([bodies.descriptors, bodies.descriptors[:, 3:4]], 1)

    persons = find_identities(doubled, [*bodies.names, "sub-99"])

    assert (persons[5], len(set(persons))) == ("sub-3", 5)


def test_persons_are_counted_in_order_of_appearance() -> None:
    assert person_numbers(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]


def test_a_person_is_called_by_all_names() -> None:
    assert person_names(["x", "y", "z", "x"], ["x", "x", "z", "x"]) == ("x = y", "z")


def test_what_descriptors_give_away_resembles_the_pattern(bodies: Index) -> None:
    rebuilt = bodies.describer.rebuilt(bodies.descriptors[:, 1:2], SHAPE)[0].numpy()

    inner = tuple(slice(6, 25) for _ in range(3))
    found = np.corrcoef(rebuilt[inner].ravel(), identity_pattern(prepared(1))[inner].ravel())[0, 1]
    assert 0.5 < found < 0.99


def test_each_voxel_gets_the_mean_of_the_blocks_over_it() -> None:
    lattice = Lattice(np.array([[0, 0, 0], [2, 0, 0]]), 2)

    spread = average_over_blocks(np.array([1.0, 3.0]), lattice, (20, 12, 12))

    ends = [float(spread[i, 0, 0]) for i in (0, BLOCK + 1, 19)]
    assert (ends, bool(1 < spread[5, 4, 4] < 3)) == ([1.0, 3.0, 0.0], True)


def test_a_salted_name_does_not_hold_the_name() -> None:
    assert "sub-01" not in Pseudonyms("salt").of("sub-01")


def test_another_salt_gives_other_names() -> None:
    assert Pseudonyms("salt").of("sub-01") != Pseudonyms("pepper").of("sub-01")


def test_shifts_are_all_of_the_cube() -> None:
    assert shifts(1).tolist() == [list(step) for step in product((-1, 0, 1), repeat=3)]
