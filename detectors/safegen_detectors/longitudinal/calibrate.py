"""Calibrates limits on series of real patients, and reads and writes them as JSON."""

from __future__ import annotations

import hashlib
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

SCHEMA = 3
DISTANCE = "self_similarity_distance"  # the one of the three that is low for similar scans
IDENTITY_MEASURES = ("local_match", DISTANCE, "gradient_match")
CALIBRATED_MEASURES = (
    *IDENTITY_MEASURES,
    "fine_structure",
    "size_change",
    "changed_region",
    "unmatched_region",
    "poorly_matched_region",
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
"""Measures whose limits real pairs may set; limits by definition are never loosened."""

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

    `same` and `different` hold for each modality the three measures of identity, over pairs of one
    patient and over shuffled pairs of two.
    """

    values: Values
    same: Mapping[str, Values] = field(default_factory=dict)
    different: Mapping[str, Values] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that change with any of its numbers."""
        content = json.dumps(asdict(self), sort_keys=True)
        return hashlib.blake2b(content.encode(), digest_size=4).hexdigest()


def calibrate(groups: Iterable[Sequence[Scan]]) -> Calibration:
    """The measures of every pair of each group: scans of one patient and modality, ordered by time.

    First and last scans of different patients of a modality are compared too; those of up to 16
    patients are held in memory for that. Groups that cannot be prepared are skipped.
    """
    values: dict[str, list[float]] = defaultdict(list)
    same: dict[str, list[Similarity]] = defaultdict(list)
    ends: dict[str, list[tuple[Timepoint, Timepoint]]] = defaultdict(list)
    for scans in groups:
        try:
            comparison = compare_series(scans)
        except NotJudged:
            continue
        modality = scans[0].ref.modality or ""
        if len(ends[modality]) < MAX_PATIENTS:
            ends[modality].append((comparison.points[0], comparison.points[-1]))
        same[modality] += [pair.aligned.similarity for pair in comparison.pairs]
        for measure in comparison.measures:
            if measure.name in CALIBRATED_MEASURES and math.isfinite(measure.value):
                values[measure.name].append(round(measure.value, 6))
    return Calibration(
        {name: tuple(found) for name, found in values.items()},
        {modality: _by_measure(found) for modality, found in same.items()},
        {modality: _by_measure(_shuffled_pairs(found)) for modality, found in ends.items()},
    )


def _by_measure(similarities: Iterable[Similarity]) -> Values:
    pairs = list(similarities)
    return {
        name: tuple(round(getattr(pair, name), 6) for pair in pairs) for name in IDENTITY_MEASURES
    }


def _shuffled_pairs(ends: Sequence[tuple[Timepoint, Timepoint]]) -> Iterator[Similarity]:
    """First scans with last scans of other patients, each patient equally often."""
    steps = ((n, step) for step in range(1, len(ends)) for n in range(len(ends)))
    for n, step in islice(steps, MAX_SHUFFLED_PAIRS):
        try:
            yield align_pair(ends[n][0], ends[(n + step) % len(ends)][1]).similarity
        except NotJudged:
            continue


def identity_limits(calibration: Calibration) -> dict[str, IdentityLimits]:
    """Limits of identity for each modality with five pairs of one patient and ten of two.

    Each is midway in log-odds between the worst pair of one patient and the best pair of two, and
    never stricter than the default. A measure that does not separate them (area under the curve
    below 0.95) never votes.
    """
    limits_by_modality = {}
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
            limits_by_modality[modality] = IdentityLimits(**limits)
    return limits_by_modality


def separation_auc(name: str, same: Sequence[float], different: Sequence[float]) -> float:
    """Area under the ROC curve of a measure, pairs of one patient against pairs of two."""
    sign = -1 if name == DISTANCE else 1
    differences = np.subtract.outer(sign * np.asarray(same), sign * np.asarray(different))
    return float((differences > 0).mean() + 0.5 * (differences == 0).mean())


def _limit_between(name: str, same: Sequence[float], different: Sequence[float]) -> float:
    if separation_auc(name, same, different) < MIN_SEPARATION_AUC:
        return math.inf if name == DISTANCE else -math.inf
    ends = (max(same), min(different)) if name == DISTANCE else (min(same), max(different))
    log_odds = [math.log(p / (1 - p)) for p in np.clip(ends, 0.01, 0.99)]
    midway = 1 / (1 + math.exp(-sum(log_odds) / 2))
    default = float(getattr(DEFAULT_IDENTITY_LIMITS, name))
    return max(default, midway) if name == DISTANCE else min(default, midway)


def calibrated_rules(
    rules: Mapping[str, Rule], calibration: Calibration, *, name: str
) -> dict[str, Rule]:
    """The rules, with limits from real pairs where there are enough; `name` is that of the file."""
    calibrated = {
        measure: _calibrated_rule(rule, calibration.values[measure], name)
        if len(calibration.values.get(measure, ())) >= MIN_PAIRS
        else rule
        for measure, rule in rules.items()
    }
    if by_modality := identity_limits(calibration):
        modalities = ", ".join(modality or "scans without a modality" for modality in by_modality)
        for measure in ("identity_votes", "identity_votes_ct"):
            source = f"{rules[measure].source}; limits of {modalities} from pairs of {name}"
            calibrated[measure] = replace(rules[measure], source=source)
    return calibrated


def calibrated_limit(
    values: Sequence[float], *, default: float, rate: float, min_pairs: int
) -> float:
    """The limit above which a share `rate` of real pairs may lie.

    From `min_pairs` on the order statistic ceil((n + 1)(1 - rate)), as in conformal prediction;
    from 19 on the worst pair + 3 robust sd; below, the mean of the default, which counts as ten
    pairs, and median + 4 robust sd.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n, median = len(ordered), float(np.median(ordered))
    spread = 1.4826 * float(np.median(np.abs(ordered - median)))
    if n >= min_pairs:
        return float(ordered[min(math.ceil((n + 1) * (1 - rate)), n) - 1])
    if n >= MIN_PAIRS_FOR_RANKS:
        return float(ordered[-1]) + 3 * spread
    weight = PRIOR_PAIRS / (PRIOR_PAIRS + n)
    return weight * default + (1 - weight) * (median + 4 * spread)


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write a calibration as JSON, atomically."""
    write_json(path, {"schema": SCHEMA, **asdict(calibration)})


def read_calibration(path: Path) -> Calibration:
    """The calibration that `write_calibration` wrote.

    Raises:
        UsageProblem: the file is missing or is something else.
    """
    remedy = "write it again with: safegen calibrate-longitudinal FOLDER -o FILE"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise UsageProblem(f"{path} was written by another version; {remedy}.")
        same, different = (
            {str(modality): _finite_values(found) for modality, found in content[name].items()}
            for name in ("same", "different")
        )
        return Calibration(_finite_values(content["values"]), same, different)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as problem:
        raise UsageProblem(f"{path} is not a file of calibrated limits; {remedy}.") from problem


def _finite_values(given: Mapping[str, Sequence[float]]) -> Values:
    """Numbers by measure; ValueError for what is not finite."""
    values = {str(name): tuple(map(float, found)) for name, found in given.items()}
    if not all(math.isfinite(number) for found in values.values() for number in found):
        raise ValueError("a value is not finite")
    return values


def _calibrated_rule(rule: Rule, values: Sequence[float], name: str) -> Rule:
    """The rule with each of its limits calibrated on its own side."""
    warn, fail = (WARN_RATE, MIN_PAIRS_FOR_RANKS), (FAIL_RATE, MIN_PAIRS_FOR_FAILURE)
    negated = [-value for value in values]
    limits = {
        "warn_above": _side_limit(values, rule.warn_above, *warn),
        "fail_above": _side_limit(values, rule.fail_above, *fail),
        "warn_below": _side_limit(negated, rule.warn_below, *warn, sign=-1),
        "fail_below": _side_limit(negated, rule.fail_below, *fail, sign=-1),
    }
    if all(getattr(rule, side) == limit for side, limit in limits.items()):
        return replace(rule, source=f"{rule.source}; {len(values)} real pairs of {name} agree")
    source = f"calibrated on {len(values)} real pairs, {name}"
    if len(values) < MIN_PAIRS_FOR_RANKS:
        source += f", together with the default ({rule.source})"
    return replace(rule, **limits, source=source)


def _side_limit(
    values: Sequence[float], default: float | None, rate: float, min_pairs: int, *, sign: int = 1
) -> float | None:
    """The limit on one side; real pairs never make it stricter than the default.

    Most sound pairs have no changed region at all: a limit of zero would fail the next one.
    """
    if default is None:
        return None
    limit = calibrated_limit(values, default=sign * default, rate=rate, min_pairs=min_pairs)
    return sign * max(sign * default, limit)
