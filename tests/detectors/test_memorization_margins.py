"""Margins: how far one person leads all others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from memorization_fields import BODIES, EQUAL, index_for, prepared, strongest

from safegen_detectors.memorization.search.index import (
    Index,
)
from safegen_detectors.memorization.search.margins import (
    standard_scores,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bodies() -> Index:
    return index_for(BODIES)


def test_an_unknown_patient_has_far_lower_margins_than_a_copy(bodies: Index) -> None:
    unknown, copy = strongest(bodies, prepared(9)), strongest(bodies, prepared(1))

    assert unknown.value(EQUAL) < copy.value(EQUAL) / 4


def test_standard_scores_are_in_standard_deviations_of_the_others() -> None:
    z = np.array([[2.0], [0.1], [0.3], [0.2]])

    found = standard_scores(torch.tanh(torch.from_numpy(z)).float())

    others = z[1:, 0]
    expected = (2.0 - others.mean()) / (others.std() + 0.02)
    assert float(found[0, 0]) == pytest.approx(expected, rel=1e-3)


def test_blank_blocks_have_a_score_of_0() -> None:
    assert not standard_scores(torch.zeros(4, 3)).any()


def test_the_value_is_the_strongest_in_units_of_its_scale(bodies: Index) -> None:
    found = strongest(bodies, prepared(9))

    values = [a / b for a, b in zip(found.strengths, (1.0, 2.0, 0.1, 1.0), strict=True)]

    assert found.value((1.0, 2.0, 0.1, 1.0)) == max(values)
