"""One run of the gate against another: fair, paired where it can be, at a stated error rate."""

from __future__ import annotations

from pytest_safegen.results.comparison.compare import Options as Options, compare as compare
from pytest_safegen.results.comparison.fairness import demand_same_checks as demand_same_checks
from pytest_safegen.results.comparison.model import (
    Comparison as Comparison,
    Outcome as Outcome,
    RegressionRule as RegressionRule,
)
from pytest_safegen.results.comparison.rules import demand_known as demand_known, parse as parse
