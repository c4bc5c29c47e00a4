"""Names of patients in a profile."""

from __future__ import annotations

import pytest

from safegen_detectors.memorization.pseudonyms import Pseudonyms

pytestmark = pytest.mark.slow


def test_a_salted_name_does_not_hold_the_name() -> None:
    assert "sub-01" not in Pseudonyms("salt").of("sub-01")


def test_another_salt_gives_other_names() -> None:
    assert Pseudonyms("salt").of("sub-01") != Pseudonyms("pepper").of("sub-01")
