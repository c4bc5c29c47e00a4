"""The mathematics and the rules of a comparison."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from runs import run_of
from scipy import stats
from statsmodels.stats.multitest import multipletests

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.results.comparison import Outcome, compare, demand_known, parse
from pytest_safegen.results.comparison.statistics import (
    cliffs_delta,
    counts_only,
    delta_interval,
    holm,
    order_statistic_p,
    proportion,
    rise_p,
    smallest_count_above,
    smallest_shift,
    tail_probabilities,
)

pytestmark = pytest.mark.slow

VALUES = arrays(np.float64, st.integers(2, 20), elements=st.integers(-5, 5).map(float))


@given(VALUES, VALUES)
def test_cliffs_delta_is_its_definition(a: np.ndarray, b: np.ndarray) -> None:
    plain = np.sign(np.subtract.outer(b, a)).mean()
    assert cliffs_delta(a, b) == pytest.approx(plain)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_that_of_statsmodels(values: list[float]) -> None:
    assert holm(values) == pytest.approx(multipletests(values, method="holm")[1])


@pytest.mark.parametrize(("failed", "n"), [(0, 10), (3, 60), (10, 10)])
def test_the_interval_of_a_proportion_is_that_of_clopper_and_pearson(failed: int, n: int) -> None:
    low = stats.beta.ppf(0.025, failed, n - failed + 1) if failed else 0.0
    high = stats.beta.ppf(0.975, failed + 1, n - failed) if failed < n else 1.0
    found = proportion(failed, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


def test_nothing_is_known_of_the_proportion_of_no_scans() -> None:
    assert (proportion(0, 0).low, proportion(0, 0).high) == (0.0, 1.0)


@pytest.mark.parametrize(("new", "resolved"), [(0, 0), (3, 0), (5, 2), (1, 9)])
def test_paired_failures_are_tested_by_mcnemar(new: int, resolved: int) -> None:
    wanted = stats.binom.sf(new - 1, new + resolved, 0.5) if new + resolved else 1.0
    found = rise_p(new, resolved, counts_only(0, 60), counts_only(0, 60), paired=True)
    assert found == pytest.approx(wanted, abs=1e-12)


def test_the_bootstrap_interval_holds_the_truth() -> None:
    random = np.random.default_rng(0)
    truth = 2 * stats.norm.cdf(0.5 / np.sqrt(2)) - 1
    held = 0
    for _ in range(40):
        a, b = random.normal(0, 1, 60), random.normal(0.5, 1, 60)
        low, high = delta_interval(a, b, random, paired=False, rounds=200)
        held += low <= truth <= high
    assert held >= 34


def test_a_further_score_is_never_more_likely() -> None:
    known = np.random.default_rng(0).normal(size=60)
    chances = tail_probabilities(np.linspace(-3, 30, 100), known)
    assert np.all(np.diff(chances) <= 1e-15)


def test_one_draw_of_the_same_distribution_is_seldom_surprising() -> None:
    random = np.random.default_rng(0)
    hits = [
        order_statistic_p(tail_probabilities(random.normal(size=60), random.normal(size=60)), 60, 1)
        < 0.05
        for _ in range(400)
    ]
    assert np.mean(hits) < 0.05


@pytest.mark.parametrize(("limit", "n", "count"), [(0.02, 60, 2), (0.05, 60, 4), (0.0, 9, 1)])
def test_a_rule_forbids_the_first_count_above_its_share(limit: float, n: int, count: int) -> None:
    assert smallest_count_above(limit, n) == count


def test_pairs_see_smaller_shifts() -> None:
    a = np.random.default_rng(0).normal(size=60)
    b = a + np.random.default_rng(1).normal(0, 0.1, 60)
    paired = smallest_shift(a, b, 0.05, paired=True)
    apart = smallest_shift(a, b, 0.05, paired=False)
    assert paired is not None
    assert apart is not None
    assert paired < 0.1 < apart


def scores(shift: float = 0.0, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.5, 0.05, 60) + shift


def test_a_tiny_but_significant_shift_is_no_regression() -> None:
    found = compare(run_of(scores()), run_of(scores(0.003)), parse(["*: delta 0.1"]))
    (score,) = (shift for shift in found.shifts if shift.name == "score")
    assert score.adjusted < 0.001
    assert found.outcome is Outcome.PASSED


def test_a_large_shift_is_a_regression_and_its_opposite_better() -> None:
    first, second = run_of(scores()), run_of(scores(0.03))
    assert compare(first, second).outcome is Outcome.REGRESSED
    back = compare(second, first)
    assert back.outcome is Outcome.PASSED
    assert any(text.startswith("anomaly.score") for text in back.improvements)


def test_a_measure_without_a_limit_is_only_noted_unless_it_is_named() -> None:
    first, second = run_of(scores()), run_of(scores(0.03))
    second = replace(second, directions={"anomaly": {}})
    found = compare(first, second)
    assert found.outcome is Outcome.PASSED
    assert any("no limit says" in note for note in found.notes)
    named = compare(first, second, parse(["anomaly.share: delta 0.1"]))
    assert named.outcome is Outcome.REGRESSED


def test_other_names_are_not_paired() -> None:
    assert not compare(run_of(scores()), run_of(scores(seed=1), first=100)).paired


def test_an_improved_scan_is_no_regression() -> None:
    values = scores()
    values[3] = 40.0
    found = compare(run_of(values), run_of(scores()))
    assert found.outcome is Outcome.PASSED
    assert found.failures[0].resolved == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("worse", "not understood"),
        ("anomaly: failed 2%", "not understood"),
        ("anomaly: delta 2", "between 0 and 1"),
        ("anomaly: failed +200%", "below 100 %"),
        ("anomaly.share: any", "counts failed scans"),
    ],
)
def test_a_broken_sentence_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageProblem, match=message):
        parse([text])


@pytest.mark.parametrize(
    "text",
    ["anomaly: failed +2%", "memorization.copies: any", "longitudinal.identity: delta 0.2"],
)
def test_the_sentences_of_the_documentation_are_understood(text: str) -> None:
    known = {
        "anomaly": {"score"},
        "memorization": {"score"},
        "longitudinal": {"score", "identity_votes"},
    }
    demand_known(parse([text]), known)


def test_a_rule_about_nothing_is_refused() -> None:
    with pytest.raises(UsageProblem, match="did not measure"):
        demand_known(parse(["anomaly.shrae: delta 0.1"]), {"anomaly": {"score", "share"}})
