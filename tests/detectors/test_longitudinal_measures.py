"""Every rule has a measure with a short headline, and a message that names the timepoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pytest_safegen.core.finding import HEADLINE_LENGTH
from pytest_safegen.core.scan import Scan, ScanRef, Series
from pytest_safegen.core.score import Measure
from pytest_safegen.core.targets import SeriesTarget
from pytest_safegen.testing import phantom, write_scan
from safegen_detectors.longitudinal.inputs.growth_statement import MODEL_NAMES
from safegen_detectors.longitudinal.inputs.pathologies import GROWTH_BANDS
from safegen_detectors.longitudinal.limits import RULES
from safegen_detectors.longitudinal.maths.growth import Volume, VolumeSeries
from safegen_detectors.longitudinal.measures.acquisition import timeline_measures
from safegen_detectors.longitudinal.measures.global_features import (
    GlobalFeatures,
    feature_changes,
)
from safegen_detectors.longitudinal.measures.growth import growth_measures
from safegen_detectors.longitudinal.measures.identity import cohort_measures
from safegen_detectors.longitudinal.series import ComparisonOptions, compare_series

pytestmark = pytest.mark.slow

PER_PAIR = (
    *("spacing_change", "orientation_change", "coverage", "grid_changed_despite_same_grid"),
    *("registration_shift", "registration_turn", "identity_votes", "local_match", "fine_structure"),
    *("self_similarity_distance", "gradient_match", "mirror_margin", "size_change", "noise_change"),
    *("contrast_flip", "changed_region", "tissue_shift", "uneven_deformation", "sharpness_change"),
    *("tissue_contrast_change", "lesion_contrast_preserved", "lesion_shape_change"),
)
"""Measures of two timepoints, whose message names both."""


def ball(scan: Scan, radius: float, *, away: float = 0.0) -> np.ndarray:
    """A mask of some voxels radius in the middle of a scan, or moved along the first axis."""
    middle = (np.array(scan.voxels.shape) - 1) / 2 + [away, 0, 0]
    return radius >= np.linalg.norm(np.indices(scan.voxels.shape).T - middle, axis=-1).T


def visit(subject: int, number: int, mask: float | None = None, **labels: str) -> Scan:
    scan = phantom(subject, session=number)
    ref = replace(scan.ref, months=6.0 * number, labels=labels, session=f"{number:02}")
    return replace(scan, ref=ref, mask=None if mask is None else ball(scan, mask))


def measures_of(*scans: Scan, deformation: str = "always") -> list[Measure]:
    return list(compare_series(scans, ComparisonOptions(deformation)).measures)


def at_one_millimetre(scan: Scan) -> Scan:
    """A small head: noise is only compared of pixels up to 1 mm."""
    return replace(scan, affine=np.diag([1.0, 1.0, 1.0, 1.0]))


def computed_tomograms(folder: Path) -> list[Scan]:
    """Two chests in HU, at two depths of breath, with a nodule and the outline of an organ."""
    shape = (40, 34, 30)
    x, y, z = ((axis - (n - 1) / 2) * 6 for axis, n in zip(np.indices(shape), shape, strict=True))
    affine = np.diag([6.0, 6.0, 6.0, 1.0])
    nib.save(nib.Nifti1Image((x > 0).astype(np.uint8), affine), folder / "organ.nii.gz")
    labels = {"pathology": "lung nodule", "organ_mask": "organ.nii.gz"}
    scans = []
    for number, breath in ((1, 1.0), (2, 1.1)):
        values = np.where((x / 110) ** 2 + (y / 85) ** 2 < 1, 40.0, -1000.0)
        for side in (-1, 1):
            lung = ((x - side * 45) / 33) ** 2 + (y / 55) ** 2 + (z / 70) ** 2 < breath
            values[lung] = -850.0
        nodule = (x - 45) ** 2 + y**2 + z**2 < 14**2
        values[nodule] = 30.0
        ref = ScanRef("p/ct.nii.gz", "p", f"0{number}", "CT", folder / "p" / "ct.nii.gz")
        values += np.random.default_rng(number).normal(0, 10, shape)
        ref = replace(ref, months=3.0 * number, labels=labels)
        scans.append(Scan(ref, values.astype(np.float32), affine, nodule))
    return scans


def with_field(folder: Path) -> list[Scan]:
    """Two scans, the second with a displacement field, and with one that does not exist."""
    first, later, last = (visit(1, number) for number in (1, 2, 3))
    vectors = np.zeros((*later.voxels.shape, 1, 3), np.float32)
    nib.save(nib.Nifti1Image(vectors, later.affine), folder / "field.nii.gz")
    fields = [{}, {"deformation_field": "field.nii.gz"}, {"deformation_field": "gone.nii.gz"}]
    return [
        replace(scan, ref=replace(scan.ref, path=folder / scan.ref.target, labels=labels))
        for scan, labels in zip((first, later, last), fields, strict=True)
    ]


def closer_patients(folder: Path) -> list[Measure]:
    """What the cohort says of a follow-up that is another patient's."""
    other = phantom(2, session=1)
    other = replace(other, ref=replace(other.ref, path=write_scan(other, folder)))
    pairs = compare_series([visit(1, 1), visit(2, 2)]).pairs
    own = Series("sub-01", "sub-01", tuple(pair.aligned.later.ref for pair in pairs))
    cohort = (own, Series("sub-02", "sub-02", (other.ref,)))
    return cohort_measures([pair.aligned for pair in pairs], SeriesTarget(own, (), cohort))


def everything(folder: Path) -> Iterator[Measure]:
    """The measures of series that between them reach every rule."""
    stated = {"pathology": "glioblastoma", "prompt": "a single growing lesion", "same_grid": "yes"}
    stated |= {"coregistered": "yes", "doubling_days": "60", "sidecar_unread": "a.json is broken"}
    yield from measures_of(visit(1, 1, 4, **stated), visit(2, 2, 6, **stated))
    yield from measures_of(visit(1, 1, 4, **stated), visit(1, 2, 4.5, **stated))
    yield from measures_of(visit(1, 1, 3), visit(1, 2, 6), visit(1, 3, 3))
    yield from measures_of(visit(1, 1, 3, growth_model="gompertz"), visit(1, 2, 6))
    yield from measures_of(visit(1, 1, 5, **stated), visit(1, 2, 5, **stated))
    yield from measures_of(*(at_one_millimetre(visit(1, number)) for number in (1, 2)))
    yield from measures_of(*computed_tomograms(folder))
    yield from measures_of(*with_field(folder))
    yield from closer_patients(folder)


@pytest.fixture(scope="module")
def measures(tmp_path_factory: pytest.TempPathFactory) -> list[Measure]:
    return list(everything(tmp_path_factory.mktemp("data")))


@pytest.mark.parametrize("name", sorted({*RULES} - {"nearer_patients_ct"}))  # as that of MR
def test_every_rule_has_a_measure_with_a_short_headline(measures, name):
    headlines = [one.headline for one in measures if one.name == name]

    assert any(headlines)
    assert max(map(len, headlines)) <= HEADLINE_LENGTH


@pytest.mark.parametrize("name", PER_PAIR)
def test_the_message_of_a_pair_names_both_timepoints(measures, name):
    messages = [one.message for one in measures if one.name == name and one.message]

    assert {one.count("session 0") for one in messages} == {2}


def is_a_headline(measure: Measure) -> bool:
    """True for a headline of at most 90 characters that begins with a capital and has no stop."""
    text = measure.headline
    return len(text) <= HEADLINE_LENGTH and text[:1] == text[:1].upper() and text[-1:] != "."


VOLUMES = st.lists(
    st.tuples(st.floats(0, 600), st.floats(1e-3, 5e3), st.floats(0, 0.3), st.booleans()),
    min_size=2,
    max_size=5,
)
LABELS = st.fixed_dictionaries(
    {
        "pathology": st.sampled_from([band.name for band in GROWTH_BANDS] + ["unknown"]),
        "growth_model": st.sampled_from(["n/a", *MODEL_NAMES]),
        "doubling_days": st.sampled_from(["n/a", "1", "1e3", "x"]),
        "carrying_capacity_ml": st.sampled_from(["n/a", "1e6"]),
    }
)


@settings(deadline=None)
@given(VOLUMES, LABELS, st.sampled_from([None, -1, 0, 1]), st.text(max_size=200))
def test_headlines_of_growth_are_short_whatever_the_volumes(volumes, labels, direction, name):
    points = tuple(Volume(name, *volume) for volume in sorted(volumes))

    found = growth_measures(VolumeSeries(points, labels, direction=direction))

    assert all(is_a_headline(measure) for measure in found)


SESSIONS = st.lists(st.tuples(st.text(max_size=200), st.none() | st.floats(-1e6, 1e6)), min_size=2)


@given(SESSIONS)
def test_headlines_of_the_timeline_are_short_whatever_the_names(sessions):
    refs = [ScanRef("a", "a", name, "T1w", Path("a"), months) for name, months in sessions]

    assert all(is_a_headline(measure) for measure in timeline_measures(refs))


@pytest.fixture(scope="module")
def points():
    return compare_series([visit(1, 1), visit(1, 2)], ComparisonOptions("never")).points


NUMBERS = st.floats(-20, 20)
POSITIVE = st.floats(1e-3, 1e5)
FEATURES = st.builds(
    GlobalFeatures, NUMBERS, NUMBERS, st.just(np.zeros(99)), POSITIVE, POSITIVE, NUMBERS, NUMBERS
)


@settings(deadline=None)
@given(FEATURES, FEATURES)
def test_headlines_of_whole_scans_are_short_whatever_the_numbers(points, first, second):
    assert all(is_a_headline(measure) for measure in feature_changes(*points, first, second))
