"""Names that the parts of the pytest plug-in share."""

from __future__ import annotations

import pytest

from pytest_safegen.core.finding import Finding

GATE_NAME = "safegen-gate"

FIXTURES = ("safegen_scan", "safegen_series", "safegen_release")

FINDING = pytest.StashKey[Finding]()
