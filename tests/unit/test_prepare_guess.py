"""Options are guessed from values, extent and border of scans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from prepare_samples import HEAD
from stand_in import ref_of, scan_of

from pytest_safegen.core.scan import Scan
from pytest_safegen.prepare.guess import common_options, guess_options
from pytest_safegen.prepare.options import PrepareOptions
from pytest_safegen.testing import phantom


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
