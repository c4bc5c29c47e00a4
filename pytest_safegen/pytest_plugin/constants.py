"""Names that the parts of the pytest plug-in share; light, for every pytest run loads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_safegen.core.finding import Finding

GATE_NAME = "safegen-gate"
"""The name of the plug-in, and the first part of the node ids of verdicts on the release."""

FIXTURES = ("safegen_scan", "safegen_series", "safegen_release")
FINDING: pytest.StashKey[Finding] = pytest.StashKey()
