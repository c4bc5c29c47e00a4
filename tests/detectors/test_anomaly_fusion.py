"""The statistics of all methods on one scale."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from safegen_detectors.anomaly.methods.fusion import (
    FLOOR,
    Scales,
    Statistics,
    held_out_scores,
    scales_from,
    scales_of,
)

pytestmark = pytest.mark.slow

COUNT = 60


def held_out(*, heavy: float = 1.0, seed: int = 0) -> list[Statistics]:
    """Two branches, of which the second has a heavier tail."""
    random = np.random.default_rng(seed)
    plain, tailed = np.exp(0.1 * random.normal(size=(2, COUNT)))
    tailed = np.where(tailed > np.percentile(tailed, 75), tailed**heavy, tailed)
    return [{"plain": float(p), "tailed": float(t)} for p, t in zip(plain, tailed, strict=True)]


def departures(scales: Scales, plain: float, tailed: float) -> list[float]:
    return list(scales.departures({"plain": plain, "tailed": tailed}))


def test_the_upper_quartile_departs_by_nothing() -> None:
    known = held_out()
    quartile = {
        n: float(np.exp(np.percentile([np.log(s[n]) for s in known], 75))) for n in known[0]
    }

    assert list(scales_of(known).departures(quartile)) == pytest.approx([0, 0], abs=1e-9)


def test_the_unit_is_the_mean_excess_of_the_upper_quarter() -> None:
    known = held_out()
    logs = np.sort(np.log([s["plain"] for s in known]))

    scales = scales_of(known)

    expected = np.mean(logs[-COUNT // 4 :] - np.percentile(logs, 75))
    assert scales.excess[0] == pytest.approx(expected)


def test_a_branch_with_a_heavy_tail_must_show_more_to_count_as_much() -> None:
    plain, tailed = departures(scales_of(held_out(heavy=5.0)), 2.0, 2.0)

    assert 0 < tailed < plain / 2


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-3, 1e3), st.floats(1.001, 10))
def test_a_larger_statistic_departs_more(value: float, times: float) -> None:
    scales = scales_of(held_out())

    assert departures(scales, value * times, 1)[0] > departures(scales, value, 1)[0]


def test_another_branch_does_not_change_a_departure() -> None:
    scales = scales_of(held_out())

    assert departures(scales, 1.5, 0.1)[0] == departures(scales, 1.5, 9.0)[0]


def test_the_unit_of_a_statistic_does_not_matter() -> None:
    plain = held_out()
    other = [{name: 1000 * value for name, value in s.items()} for s in plain]

    assert held_out_scores(other) == pytest.approx(held_out_scores(plain))


@pytest.mark.parametrize("factor", [0.1, 3.0, 100.0])
def test_the_scales_of_a_score_do_not_know_its_own_scan(factor: float) -> None:
    known = held_out()
    odd = {name: factor * value for name, value in known[3].items()}
    others = scales_of([*known[:3], *known[4:]])

    found = held_out_scores([*known[:3], odd, *known[4:]])[3]

    assert found == pytest.approx(float(others.departures(odd).max()))


def test_the_score_is_the_largest_branch() -> None:
    known = held_out()

    scores = held_out_scores(known)

    again = [scales_of([*known[:n], *known[n + 1 :]]).departures(s) for n, s in enumerate(known)]
    assert scores == [float(one.max()) for one in again]


def test_scans_that_are_all_the_same_give_a_finite_scale() -> None:
    scales = scales_of([{"plain": 1.0, "tailed": 0.0}] * 5)

    assert np.isfinite(departures(scales, 2.0, 2.0)).all()


def test_a_statistic_of_zero_is_finite() -> None:
    known = [{"plain": FLOOR * n} for n in range(6)]

    assert np.isfinite(held_out_scores(known)).all()


def test_scales_survive_json() -> None:
    scales = scales_of(held_out())

    again = scales_from(json.loads(json.dumps(scales.as_facts())))

    assert again.branches == scales.branches
    assert departures(again, 1.3, 0.8) == departures(scales, 1.3, 0.8)


def test_a_patients_other_scans_have_no_part_in_the_scales_either() -> None:
    known = held_out()
    patients = ["twice", "twice", *(str(n) for n in range(2, len(known)))]
    odd = {name: 50 * value for name, value in known[1].items()}

    found = held_out_scores([known[0], odd, *known[2:]], patients)[0]

    assert found == pytest.approx(float(scales_of(known[2:]).departures(known[0]).max()))
