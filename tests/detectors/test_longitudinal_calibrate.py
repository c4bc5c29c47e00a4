"""Limits from real pairs: how they follow from the values, and how they are kept in a file."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_safegen.core.errors import UsageProblem
from safegen_detectors.longitudinal.calibrate import (
    CALIBRATED_MEASURES,
    IDENTITY_MEASURES,
    Calibration,
    calibrated_limit,
    calibrated_rules,
    identity_limits,
    read_calibration,
    write_calibration,
)
from safegen_detectors.longitudinal.limits import RULES
from safegen_detectors.longitudinal.registration import DEFAULT_IDENTITY_LIMITS, Similarity

MANY = tuple(np.linspace(0.10, 0.30, 40).tolist())


def test_many_pairs_give_their_own_order_statistic():
    assert calibrated_limit(MANY, default=9.0, rate=0.05, min_pairs=19) == sorted(MANY)[38]


def test_too_few_for_a_failure_give_the_worst_and_three_deviations():
    found = calibrated_limit(MANY, default=9.0, rate=0.01, min_pairs=99)

    assert found == pytest.approx(0.30 + 3 * 1.4826 * 0.05, rel=0.05)


def test_few_pairs_are_drawn_towards_the_default():
    five = calibrated_limit([0.2] * 5, default=0.5, rate=0.05, min_pairs=19)
    fifteen = calibrated_limit([0.2] * 15, default=0.5, rate=0.05, min_pairs=19)

    assert 0.2 < fifteen < five < 0.5


def test_a_lower_limit_is_set_on_its_own_side_and_says_where_it_is_from():
    poor = tuple(0.8 - value for value in MANY)
    rule = calibrated_rules(RULES, Calibration({"local_match": poor}), name="mine.json")[
        "local_match"
    ]

    assert rule.warn_below == pytest.approx(0.8 - sorted(MANY)[38])
    assert rule.source == "calibrated on 40 real pairs, mine.json"


def test_pairs_that_are_all_alike_make_no_limit_stricter():
    calibration = Calibration({"changed_region": (0.0,) * 25, "local_match": (0.99,) * 25})
    rules = calibrated_rules(RULES, calibration, name="mine.json")

    for name in calibration.values:
        for side in ("warn_above", "fail_above", "warn_below", "fail_below"):
            assert getattr(rules[name], side) == getattr(RULES[name], side)
        assert rules[name].source.startswith(RULES[name].source)


def test_four_pairs_leave_the_default():
    calibration = Calibration({"local_match": (0.5,) * 4})

    assert calibrated_rules(RULES, calibration, name="mine.json") == dict(RULES)


@pytest.mark.parametrize("name", ["time_reversals", "growth_deviation", "mask_inside"])
def test_what_follows_from_logic_is_never_calibrated(name):
    assert name not in CALIBRATED_MEASURES


def test_what_is_written_is_read(tmp_path):
    pairs = {"T1w": {"local_match": (0.9, 0.95)}}
    calibration = Calibration({"local_match": (0.9, 0.95)}, pairs, {"T1w": {"local_match": (0.4,)}})
    write_calibration(calibration, tmp_path / "limits.json")

    assert read_calibration(tmp_path / "limits.json") == calibration


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"values": {}}',
        '{"values": {"a": ["x"]}, "same": {}, "different": {}, "schema": 3}',
        '{"values": {"a": [NaN]}, "same": {}, "different": {}, "schema": 3}',
        '{"values": {}, "same": {"T1w": [0.5]}, "different": {}, "schema": 3}',
        '{"values": {}, "schema": 1}',
    ],
)
def test_another_file_is_refused_with_the_way_out(tmp_path, content):
    path = tmp_path / "limits.json"
    path.write_text(content)

    with pytest.raises(UsageProblem, match="safegen calibrate-longitudinal"):
        read_calibration(path)


def pairs_of(local, distance, gradient, *, pairs):
    """As many pairs with nearly these three measures."""
    names = dict(zip(IDENTITY_MEASURES, (local, distance, gradient), strict=True))
    return {name: tuple(value + 0.001 * n for n in range(pairs)) for name, value in names.items()}


def test_a_limit_of_identity_lies_halfway_between_one_patient_and_two():
    same, different = (
        pairs_of(0.8, 0.1, 0.9, pairs=5),
        pairs_of(0.3, 0.35, 0.4, pairs=12),
    )
    limits = identity_limits(Calibration({}, {"FLAIR": same}, {"FLAIR": different}))["FLAIR"]

    def odds(p):
        return np.log(p / (1 - p))

    assert odds(limits.local_match) == pytest.approx((odds(0.8) + odds(0.311)) / 2)
    assert odds(limits.self_similarity_distance) == pytest.approx((odds(0.104) + odds(0.35)) / 2)


def test_limits_of_identity_are_never_stricter_than_the_default():
    same, different = (
        pairs_of(0.97, 0.02, 0.97, pairs=5),
        pairs_of(0.6, 0.2, 0.6, pairs=12),
    )
    limits = identity_limits(Calibration({}, {"T1w": same}, {"T1w": different}))["T1w"]

    assert limits == DEFAULT_IDENTITY_LIMITS


def test_a_rule_says_that_its_limits_of_identity_are_ones_own():
    same, different = (
        pairs_of(0.8, 0.1, 0.9, pairs=5),
        pairs_of(0.3, 0.35, 0.4, pairs=12),
    )
    calibration = Calibration({}, {"FLAIR": same}, {"FLAIR": different})

    source = calibrated_rules(RULES, calibration, name="mine.json")["identity_votes"].source

    assert source.endswith("limits of FLAIR from pairs of mine.json")


def test_a_measure_that_cannot_tell_patients_apart_has_no_vote():
    same, different = (
        pairs_of(0.8, 0.1, 0.5, pairs=5),
        pairs_of(0.3, 0.3, 0.6, pairs=12),
    )
    limits = identity_limits(Calibration({}, {"CT": same}, {"CT": different}))["CT"]

    assert limits.gradient_match == -np.inf
    assert Similarity(0.9, 0.05, -1.0, limits).votes == 0
    assert Similarity(0.2, 0.4, -1.0, limits).votes == 2


def test_too_few_pairs_of_two_patients_leave_the_default():
    same, different = (
        pairs_of(0.8, 0.1, 0.9, pairs=5),
        pairs_of(0.3, 0.3, 0.4, pairs=9),
    )

    assert identity_limits(Calibration({}, {"CT": same}, {"CT": different})) == {}
