"""Limits from real pairs: the same measures on series of real patients, kept as plain numbers."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_safegen.errors import NotJudged, UsageProblem
from safegen_detectors.longitudinal.course import course_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_safegen.model import Rule, Scan

SCHEMA = 1
CALIBRATED = (
    "local_match",
    "self_similarity_distance",
    "gradient_match",
    "fine_structure",
    "size_change",
    "changed_region",
    "noise_correlation",
    "grain_correlation",
)
"""Measures whose limits real pairs may set; what follows from logic is never loosened."""

FEWEST = 5  # pairs below which the default stands
FEWEST_FOR_RANKS = 19  # pairs from which on ranks give the 5 % limit
FEWEST_FOR_FAILURE = 99  # and the 1 % limit
WARN_RATE, FAIL_RATE = 0.05, 0.01
PRIOR = 10.0  # pairs that the default counts for


@dataclass(frozen=True, slots=True)
class Calibration:
    """`values` of each measure over some real pairs."""

    values: Mapping[str, tuple[float, ...]]


def calibrate(groups: Iterable[Sequence[Scan]]) -> Calibration:
    """Measure every pair of each group: the scans of one patient and modality, in order of time.

    Groups that cannot be prepared are passed over.
    """
    values: dict[str, list[float]] = defaultdict(list)
    for scans in groups:
        try:
            course = course_of(scans)
        except NotJudged:
            continue
        for measure in (one for pair in course.pairs for one in pair.measures):
            if measure.name in CALIBRATED and math.isfinite(measure.value):
                values[measure.name].append(round(measure.value, 6))
    return Calibration({name: tuple(found) for name, found in values.items()})


def calibrated_rules(
    rules: Mapping[str, Rule], calibration: Calibration, *, name: str
) -> dict[str, Rule]:
    """The rules, with limits from real pairs where there are enough; `name` is the file's."""
    return {
        measure: _calibrated(rule, calibration.values[measure], name)
        if len(calibration.values.get(measure, ())) >= FEWEST
        else rule
        for measure, rule in rules.items()
    }


def limit_from(values: Sequence[float], *, default: float, rate: float, fewest: int) -> float:
    """The limit above which a share `rate` of real pairs may lie.

    From `fewest` pairs on the order statistic ceil((n + 1)(1 - rate)), as in conformal prediction;
    from 19 on the worst pair + 3 robust sd; below, the mean of the default, which counts as ten
    pairs, and median + 4 robust sd.
    """
    found = np.sort(np.asarray(values, dtype=np.float64))
    n, middle = len(found), float(np.median(found))
    spread = 1.4826 * float(np.median(np.abs(found - middle)))
    if n >= fewest:
        return float(found[min(math.ceil((n + 1) * (1 - rate)), n) - 1])
    if n >= FEWEST_FOR_RANKS:
        return float(found[-1]) + 3 * spread
    weight = PRIOR / (PRIOR + n)
    return weight * default + (1 - weight) * (middle + 4 * spread)


def write(calibration: Calibration, path: Path) -> None:
    """Write as JSON, under a temporary name first."""
    content = {"schema": SCHEMA, "values": calibration.values}
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(content, indent=1), encoding="utf-8")
    part.replace(path)


def read(path: Path) -> Calibration:
    """Read what `write` wrote.

    Raises:
        UsageProblem: the file is missing or is something else.
    """
    way_out = "make it anew with: safegen calibrate-longitudinal FOLDER -o FILE"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        values = {
            str(name): tuple(float(value) for value in found)
            for name, found in content["values"].items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as problem:
        raise UsageProblem(f"{path} holds no limits of real pairs; {way_out}.") from problem
    numbers = [value for found in values.values() for value in found]
    if content.get("schema") != SCHEMA or not all(map(math.isfinite, numbers)):
        raise UsageProblem(f"{path} holds limits of another version; {way_out}.")
    return Calibration(values)


def _calibrated(rule: Rule, values: Sequence[float], name: str) -> Rule:
    """Every limit that the rule has, on its own side."""
    up = {
        "warn_above": _limit(values, rule.warn_above, WARN_RATE, FEWEST_FOR_RANKS),
        "fail_above": _limit(values, rule.fail_above, FAIL_RATE, FEWEST_FOR_FAILURE),
    }
    turned = [-value for value in values]
    down = {
        "warn_below": _limit(turned, rule.warn_below, WARN_RATE, FEWEST_FOR_RANKS, sign=-1),
        "fail_below": _limit(turned, rule.fail_below, FAIL_RATE, FEWEST_FOR_FAILURE, sign=-1),
    }
    if all(getattr(rule, side) == limit for side, limit in {**up, **down}.items()):
        return replace(rule, source=f"{rule.source}; {len(values)} real pairs of {name} agree")
    source = f"calibrated on {len(values)} real pairs, {name}"
    if len(values) < FEWEST_FOR_RANKS:
        source += f", together with the default ({rule.source})"
    return replace(rule, **up, **down, source=source)


def _limit(
    values: Sequence[float], default: float | None, rate: float, fewest: int, *, sign: int = 1
) -> float | None:
    """The limit on one side; real pairs that are all alike do not make it stricter.

    Of sound pairs, many have no changed region at all: a limit of zero would fail the next one.
    """
    if default is None:
        return None
    found = limit_from(values, default=sign * default, rate=rate, fewest=fewest)
    return sign * max(sign * default, found)
