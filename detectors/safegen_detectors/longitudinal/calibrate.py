"""Calibrates limits on series of real patients, and reads and writes them as JSON."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from pytest_safegen.api import NotJudged, UsageProblem, write_json
from safegen_detectors.longitudinal.registration import (
    DEFAULT_IDENTITY_LIMITS,
    IdentityLimits,
    align_pair,
)
from safegen_detectors.longitudinal.series import compare_series

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_safegen.api import Rule, Scan
    from safegen_detectors.longitudinal.inputs.timepoints import Timepoint
    from safegen_detectors.longitudinal.registration import Similarity

    Values = Mapping[str, tuple[float, ...]]

SCHEMA = 2
DISTANCE = "self_similarity_distance"  # the one of the three that is low where scans are alike
IDENTITY_MEASURES = ("local_match", DISTANCE, "gradient_match")
CALIBRATED_MEASURES = (
    *IDENTITY_MEASURES,
    "fine_structure",
    "size_change",
    "changed_region",
    "unmatched_region",
    "ill_matched_region",
    "noise_correlation",
    "grain_correlation",
    "sharpness_change",
    "noise_change",
    "tissue_contrast_change",
    "soft_tissue_change",
    "lung_tissue_change",
    "lung_volume_change",
    "tissue_shift",
    "uneven_deformation",
)
"""Measures whose limits real pairs may set; what follows from logic is never loosened."""

MIN_PAIRS = 5  # pairs below which the default stands
MIN_PAIRS_FOR_RANKS = 19  # pairs from which on ranks give the 5 % limit
MIN_PAIRS_FOR_FAILURE = 99  # and the 1 % limit
WARN_RATE, FAIL_RATE = 0.05, 0.01
PRIOR_PAIRS = 10.0  # pairs that the default counts for
MAX_SHUFFLED_PAIRS, MAX_PATIENTS = 60, 16  # pairs of two patients, and patients, of a modality
MIN_SEPARATION_AUC = 0.95  # area under the curve of a measure that may tell two patients apart


@dataclass(frozen=True, slots=True)
class Calibration:
    """`values` of each measure over some real pairs.

    `same` and `different` hold, a modality, the three measures of identity over pairs of one
    patient and over shuffled pairs of two.
    """

    values: Values
    same: Mapping[str, Values] = field(default_factory=dict)
    different: Mapping[str, Values] = field(default_factory=dict)


def calibrate(groups: Iterable[Sequence[Scan]]) -> Calibration:
    """Measure every pair of each group: the scans of one patient and modality, in order of time.

    Scans of two groups of one modality are compared too. Groups that cannot be prepared are passed
    over. First and last scans of up to 16 patients a modality are held in memory for that.
    """
    values: dict[str, list[float]] = defaultdict(list)
    same: dict[str, list[Similarity]] = defaultdict(list)
    ends: dict[str, list[tuple[Timepoint, Timepoint]]] = defaultdict(list)
    for scans in groups:
        try:
            course = compare_series(scans)
        except NotJudged:
            continue
        modality = scans[0].ref.modality or ""
        if len(ends[modality]) < MAX_PATIENTS:
            ends[modality].append((course.points[0], course.points[-1]))
        same[modality] += [pair.aligned.likeness for pair in course.pairs]
        for measure in course.measures:
            if measure.name in CALIBRATED_MEASURES and math.isfinite(measure.value):
                values[measure.name].append(round(measure.value, 6))
    return Calibration(
        {name: tuple(found) for name, found in values.items()},
        {modality: _by_measure(found) for modality, found in same.items()},
        {modality: _by_measure(_shuffled_pairs(found)) for modality, found in ends.items()},
    )


def _by_measure(found: Iterable[Similarity]) -> Values:
    held = list(found)
    return {name: tuple(round(getattr(one, name), 6) for one in held) for name in IDENTITY_MEASURES}


def _shuffled_pairs(ends: Sequence[tuple[Timepoint, Timepoint]]) -> Iterator[Similarity]:
    """First scans with last scans of other patients, every patient as often as the others."""
    steps = ((n, step) for step in range(1, len(ends)) for n in range(len(ends)))
    for n, step in islice(steps, MAX_SHUFFLED_PAIRS):
        try:
            yield align_pair(ends[n][0], ends[(n + step) % len(ends)][1]).likeness
        except NotJudged:
            continue


def identity_limits(calibration: Calibration) -> dict[str, IdentityLimits]:
    """Limits of identity for each modality with five pairs of one patient and ten of two.

    Each lies halfway, as log-odds, between the worst pair of one patient and the best of two, and
    is never stricter than the default. A measure that does not tell them apart (area under the
    curve below 0.95) never votes.
    """
    found = {}
    for modality, same in calibration.same.items():
        different = calibration.different.get(modality, {})
        if (
            len(same.get(IDENTITY_MEASURES[0], ())) >= MIN_PAIRS
            and len(different.get(IDENTITY_MEASURES[0], ())) >= 10
        ):
            limits = {
                name: _limit_between(name, same[name], different[name])
                for name in IDENTITY_MEASURES
            }
            found[modality] = IdentityLimits(**limits)
    return found


def separation_auc(name: str, same: Sequence[float], different: Sequence[float]) -> float:
    """Area under the curve by which a measure tells pairs of one patient from pairs of two."""
    sign = -1 if name == DISTANCE else 1
    above = np.subtract.outer(sign * np.asarray(same), sign * np.asarray(different))
    return float((above > 0).mean() + 0.5 * (above == 0).mean())


def _limit_between(name: str, same: Sequence[float], different: Sequence[float]) -> float:
    if separation_auc(name, same, different) < MIN_SEPARATION_AUC:
        return math.inf if name == DISTANCE else -math.inf
    ends = (max(same), min(different)) if name == DISTANCE else (min(same), max(different))
    odds = [math.log(p / (1 - p)) for p in np.clip(ends, 0.01, 0.99)]
    found = 1 / (1 + math.exp(-sum(odds) / 2))
    default = float(getattr(DEFAULT_IDENTITY_LIMITS, name))
    return max(default, found) if name == DISTANCE else min(default, found)


def calibrated_rules(
    rules: Mapping[str, Rule], calibration: Calibration, *, name: str
) -> dict[str, Rule]:
    """The rules, with limits from real pairs where there are enough; `name` is the file's."""
    found = {
        measure: _calibrated_rule(rule, calibration.values[measure], name)
        if len(calibration.values.get(measure, ())) >= MIN_PAIRS
        else rule
        for measure, rule in rules.items()
    }
    if known := identity_limits(calibration):
        modalities = ", ".join(modality or "scans without a modality" for modality in known)
        for measure in ("identity_votes", "identity_votes_ct"):
            source = f"{rules[measure].source}; limits of {modalities} from pairs of {name}"
            found[measure] = replace(rules[measure], source=source)
    return found


def calibrated_limit(values: Sequence[float], *, default: float, rate: float, fewest: int) -> float:
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
    if n >= MIN_PAIRS_FOR_RANKS:
        return float(found[-1]) + 3 * spread
    weight = PRIOR_PAIRS / (PRIOR_PAIRS + n)
    return weight * default + (1 - weight) * (middle + 4 * spread)


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write as JSON, whole or not at all."""
    write_json(path, {"schema": SCHEMA, **asdict(calibration)})


def read_calibration(path: Path) -> Calibration:
    """Read what `write_calibration` wrote.

    Raises:
        UsageProblem: the file is missing or is something else.
    """
    way_out = "make it anew with: safegen calibrate-longitudinal FOLDER -o FILE"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise UsageProblem(f"{path} holds limits of another version; {way_out}.")
        same, different = (
            {str(modality): _finite_values(found) for modality, found in content[name].items()}
            for name in ("same", "different")
        )
        return Calibration(_finite_values(content["values"]), same, different)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as problem:
        raise UsageProblem(f"{path} holds no limits of real pairs; {way_out}.") from problem


def _finite_values(given: Mapping[str, Sequence[float]]) -> Values:
    """Numbers by measure; ValueError for what is not finite."""
    values = {str(name): tuple(map(float, found)) for name, found in given.items()}
    if not all(math.isfinite(number) for found in values.values() for number in found):
        raise ValueError("a value is not finite")
    return values


def _calibrated_rule(rule: Rule, values: Sequence[float], name: str) -> Rule:
    """Every limit that the rule has, on its own side."""
    up = {
        "warn_above": _side_limit(values, rule.warn_above, WARN_RATE, MIN_PAIRS_FOR_RANKS),
        "fail_above": _side_limit(values, rule.fail_above, FAIL_RATE, MIN_PAIRS_FOR_FAILURE),
    }
    turned = [-value for value in values]
    down = {
        "warn_below": _side_limit(turned, rule.warn_below, WARN_RATE, MIN_PAIRS_FOR_RANKS, sign=-1),
        "fail_below": _side_limit(
            turned, rule.fail_below, FAIL_RATE, MIN_PAIRS_FOR_FAILURE, sign=-1
        ),
    }
    if all(getattr(rule, side) == limit for side, limit in {**up, **down}.items()):
        return replace(rule, source=f"{rule.source}; {len(values)} real pairs of {name} agree")
    source = f"calibrated on {len(values)} real pairs, {name}"
    if len(values) < MIN_PAIRS_FOR_RANKS:
        source += f", together with the default ({rule.source})"
    return replace(rule, **up, **down, source=source)


def _side_limit(
    values: Sequence[float], default: float | None, rate: float, fewest: int, *, sign: int = 1
) -> float | None:
    """The limit on one side; real pairs that are all alike do not make it stricter.

    Of sound pairs, many have no changed region at all: a limit of zero would fail the next one.
    """
    if default is None:
        return None
    found = calibrated_limit(values, default=sign * default, rate=rate, fewest=fewest)
    return sign * max(sign * default, found)
