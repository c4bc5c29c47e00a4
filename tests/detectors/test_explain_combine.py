"""Weights and limit of the combined map are those that outline the validation faults best."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from safegen_detectors.explain.combine import (
    METHODS,
    Weights,
    choose_weights,
    clean_percentile,
    combine,
)
from safegen_detectors.explain.metrics import iou

pytestmark = pytest.mark.slow

SHAPE = (8, 8, 8)


def truth(seed: int) -> np.ndarray:
    i, j, k = np.random.default_rng(seed).integers(0, 5, 3)
    found = np.zeros(SHAPE, bool)
    found[i : i + 3, j : j + 3, k : k + 3] = True
    return found


TRUTHS = [truth(seed) for seed in range(4)]


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(100 + seed).random(SHAPE)


def maps_of(own: float = 0.0, cam: float = 0.0, shap: float = 0.0) -> dict[str, list[np.ndarray]]:
    """Maps of noise, which lie higher on the fault by so much."""
    parts = zip(METHODS, (own, cam, shap), strict=True)
    return {
        name: [noise(10 * number + n) + height * inside for n, inside in enumerate(TRUTHS)]
        for number, (name, height) in enumerate(parts)
    }


def mean_iou(maps: dict[str, list[np.ndarray]], weights: Weights) -> float:
    found = [
        iou(combine({name: maps[name][n] for name in METHODS}, weights), inside)
        for n, inside in enumerate(TRUTHS)
    ]
    return float(np.mean(found))


@pytest.mark.parametrize(
    ("heights", "expected"),
    [((1, 0, 0), (1, 0, 0)), ((0, 1, 0), (0, 1, 0)), ((0, 0, 1), (0, 0, 1))],
)
def test_the_method_that_sees_the_faults_outlines_them(
    heights: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    maps = maps_of(*heights)
    weights = choose_weights(maps, TRUTHS)
    assert (weights.a1, weights.a2, weights.a3) == pytest.approx(expected, abs=0.11)
    assert mean_iou(maps, weights) > 0.9


def test_the_weights_add_up_to_one() -> None:
    weights = choose_weights(maps_of(0.3, 0.5, 0.2), TRUTHS)
    assert weights.a1 + weights.a2 + weights.a3 == pytest.approx(1.0)


def test_of_equals_the_larger_weight_of_the_own_map_wins() -> None:
    same = maps_of(5)["map"]
    weights = choose_weights(dict.fromkeys(METHODS, same), TRUTHS)
    assert (weights.a1, weights.a2, weights.a3) == (1.0, 0.0, 0.0)


def test_two_methods_that_see_half_each_are_mixed() -> None:
    halves = [np.arange(8)[:, None, None] % 2 == odd for odd in (0, 1)]
    maps = {
        "map": [one & halves[0] for one in TRUTHS],
        "grad-cam": [one & halves[1] for one in TRUTHS],
        "shap": [np.zeros(SHAPE) for _ in TRUTHS],
    }
    maps = {name: [one.astype(float) for one in each] for name, each in maps.items()}
    weights = choose_weights(maps, TRUTHS)
    assert min(weights.a1, weights.a2) > 0
    assert mean_iou(maps, weights) == 1.0


def test_the_sign_of_shap_is_no_matter() -> None:
    maps = maps_of(shap=5)
    turned = {**maps, "shap": [-one for one in maps["shap"]]}
    assert choose_weights(turned, TRUTHS) == choose_weights(maps, TRUTHS)


@settings(max_examples=10, deadline=None)
@given(st.tuples(st.floats(0, 2), st.floats(0, 2), st.floats(0, 2)))
def test_the_iou_that_is_stated_is_that_of_the_maps(heights: tuple[float, float, float]) -> None:
    maps = maps_of(*heights)
    weights = choose_weights(maps, TRUTHS)
    assert weights.mean_iou == pytest.approx(mean_iou(maps, weights), abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.tuples(st.floats(0, 2), st.floats(0, 2), st.floats(0, 2)))
def test_the_mixture_is_never_worse_than_the_own_map_alone(
    heights: tuple[float, float, float],
) -> None:
    maps = maps_of(*heights)
    best = choose_weights(maps, TRUTHS)
    nothing = [np.zeros(SHAPE)] * len(TRUTHS)
    alone = choose_weights({"map": maps["map"], "grad-cam": nothing, "shap": nothing}, TRUTHS)
    assert best.mean_iou >= alone.mean_iou - 1e-9


def test_all_maps_zero_give_no_weights() -> None:
    nothing = dict.fromkeys(METHODS, [np.zeros(SHAPE)] * len(TRUTHS))
    with pytest.raises(ValueError, match="zero"):
        choose_weights(nothing, TRUTHS)


def test_no_faults_give_no_weights() -> None:
    with pytest.raises(ValueError, match="fault"):
        choose_weights({name: [] for name in METHODS}, [])


def test_weights_come_back_from_json_as_they_were() -> None:
    weights = choose_weights(maps_of(1, 1, 1), TRUTHS)
    assert Weights.from_json(json.loads(json.dumps(weights.to_json()))) == weights


WEIGHTS = Weights(0.5, 0.3, 0.2, 2.0)
ONE = {name: noise(n) for n, name in enumerate(METHODS)}


def test_the_combined_map_is_the_weighted_sum_in_units_of_the_limit() -> None:
    expected = (0.5 * ONE["map"] + 0.3 * ONE["grad-cam"] + 0.2 * ONE["shap"]) / 2
    np.testing.assert_allclose(combine(ONE, WEIGHTS), expected, rtol=1e-6)


def test_negative_shap_counts_as_much_as_positive() -> None:
    turned = {**ONE, "shap": -ONE["shap"]}
    np.testing.assert_array_equal(combine(turned, WEIGHTS), combine(ONE, WEIGHTS))


def test_a_method_without_weight_may_be_missing() -> None:
    alone = replace(WEIGHTS, a1=1.0, a2=0.0, a3=0.0)
    np.testing.assert_allclose(combine({"map": ONE["map"]}, alone), ONE["map"] / 2, rtol=1e-6)


def test_the_unit_is_the_percentile_of_clean_maps_whatever_their_sign() -> None:
    clean = [noise(n) for n in range(3)]
    expected = np.percentile(np.stack(clean), 99.9)
    assert clean_percentile([clean[0], -clean[1], clean[2]]) == pytest.approx(expected)


def test_the_unit_is_measured_inside_the_bodies() -> None:
    clean, body = np.ones(SHAPE), np.zeros(SHAPE, bool)
    body[2:6] = True
    clean[~body] = 50.0
    assert clean_percentile([clean, clean], [body, body]) == 1.0


def test_zero_maps_give_no_unit() -> None:
    with pytest.raises(ValueError, match="unit"):
        clean_percentile([np.zeros(SHAPE)])
