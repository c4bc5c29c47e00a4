"""Comparison of a run with a baseline: paired where possible, at a stated error rate.

Pure functions of two runs; imports `history.entries` and `core`.
"""

from __future__ import annotations

from pytest_safegen.results.comparison.compare import Options as Options, compare as compare
from pytest_safegen.results.comparison.fairness import demand_same_checks as demand_same_checks
from pytest_safegen.results.comparison.model import (
    Comparison as Comparison,
    Outcome as Outcome,
    RegressionRule as RegressionRule,
)
from pytest_safegen.results.comparison.rules import demand_known as demand_known, parse as parse
