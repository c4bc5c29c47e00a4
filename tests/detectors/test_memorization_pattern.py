"""The identity pattern does not depend on brightness and contrast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from memorization_fields import EVERYWHERE, prepared

from safegen_detectors.memorization.features.pattern import identity_pattern

pytestmark = pytest.mark.slow


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
