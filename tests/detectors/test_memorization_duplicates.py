"""The same patient twice, in one release or two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from memorization_cohort import called, fitted_cohort

from pytest_safegen import Profile, Scan
from pytest_safegen.prepare.template import Template
from pytest_safegen.testing import phantom, targets
from safegen_detectors.memorization.duplicates import find_duplicates

pytestmark = pytest.mark.slow


@pytest.fixture
def template() -> Template:
    return fitted_cohort().template


@pytest.fixture
def profile() -> Profile:
    return fitted_cohort().profile


def half(scan: Scan, host: Scan) -> Scan:
    voxels = np.where(np.arange(scan.voxels.shape[1])[:, None] < 24, scan.voxels, host.voxels)
    return replace(host, voxels=voxels.astype(np.float32))


def found(scans: Sequence[Scan], template: Template, profile: Profile) -> set[frozenset[str]]:
    pairs = find_duplicates(targets(scans, template), profile)
    return {frozenset(pair.subjects) for pair in pairs}


STRANGERS = [phantom(subject) for subject in range(60, 68)]


def test_a_release_of_different_people_has_no_duplicates(
    template: Template, profile: Profile
) -> None:
    assert not found(STRANGERS, template, profile)


def test_the_same_scan_three_times_is_one_group(template: Template, profile: Profile) -> None:
    twins = [called(phantom(60, session=n), f"twin-{n}") for n in (1, 2)]

    groups = found([*STRANGERS, *twins], template, profile)

    assert groups == {frozenset({"sub-60", "twin-1", "twin-2"})}


def test_half_of_a_scan_in_another_is_a_duplicate(template: Template, profile: Profile) -> None:
    mixed = called(half(phantom(60), phantom(80)), "mixed")

    assert found([*STRANGERS, mixed], template, profile) == {frozenset({"sub-60", "mixed"})}


def test_a_series_of_one_subject_is_no_duplicate(template: Template, profile: Profile) -> None:
    assert not found([*STRANGERS, phantom(60, session=1)], template, profile)


def test_a_copy_in_another_release_is_found(template: Template, profile: Profile) -> None:
    other = targets([called(phantom(61, session=1), "new"), phantom(90)], template)

    pairs = find_duplicates(targets(STRANGERS, template), profile, other=other)

    assert [set(pair.subjects) for pair in pairs] == [{"new", "sub-61"}]
