"""Intervals agree with scipy."""

from __future__ import annotations

import pytest
from scipy import stats

from safegen_reports.intervals import median_interval, wilson_interval


@pytest.mark.parametrize(("hits", "n"), [(0, 60), (3, 60), (30, 60), (60, 60)])
def test_the_interval_of_a_proportion_is_wilson_s(hits: int, n: int) -> None:
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson_interval(hits, n) == pytest.approx(tuple(expected), abs=1e-12)


def test_the_interval_of_a_median_holds_it() -> None:
    values = [float(n) for n in range(101)]
    low, high = median_interval(values)
    assert low < 50.0 < high
