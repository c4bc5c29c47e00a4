"""Study design: which scans are drawn, and in which order each reader sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pytest_safegen.api import ScanRef, UsageProblem, discover, read_findings
from safegen_reports.reader_study.readings import KINDS, REAL, SYNTHETIC, Case, Trial


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """The organiser's settings; `scans` is the number of scans of each kind."""

    real: Path
    synthetic: Path
    real_report: Path | None = None
    synthetic_report: Path | None = None
    check: str = "anomaly"
    scans: int = 20
    readers: int = 2
    seed: int = 0


@dataclass(frozen=True, slots=True)
class SampledScan:
    """A scan of the study, with the file of its heatmap if the study has heatmaps."""

    case: Case
    ref: ScanRef
    heatmap: Path | None


def sample_scans(plan: StudyPlan, random: np.random.Generator) -> list[SampledScan]:
    """Scans of both kinds in random order, so that no file's time of writing betrays its kind."""
    if (plan.real_report is None) != (plan.synthetic_report is None):
        raise UsageProblem(
            "Heatmaps on one kind only would betray it: give both --real-report and "
            "--synthetic-report, or neither."
        )
    found = [
        SampledScan(Case(random_token(random), kind, ref.target), ref, maps.get(ref.target))
        for kind in KINDS
        for refs, maps in [_sample_kind(plan, kind, random)]
        for ref in refs
    ]
    return [found[place] for place in random.permutation(len(found))]


def _sample_kind(
    plan: StudyPlan, kind: str, random: np.random.Generator
) -> tuple[list[ScanRef], Mapping[str, Path]]:
    """The wanted number of scans of one kind, one a patient, and their heatmaps."""
    root = {REAL: plan.real, SYNTHETIC: plan.synthetic}[kind]
    report = {REAL: plan.real_report, SYNTHETIC: plan.synthetic_report}[kind]
    first = {series.subject: series.refs[0] for series in reversed(discover(root).series)}
    refs = [first[subject] for subject in sorted(first)]
    if len(refs) < plan.scans:
        raise UsageProblem(
            f"{root} has scans of {len(refs)} patients; {plan.scans} are needed. "
            "Give more scans or a smaller --scans."
        )
    drawn = [refs[place] for place in random.permutation(len(refs))[: plan.scans]]
    maps = {} if report is None else _heatmap_paths(report, plan.check)
    missing = [ref.target for ref in drawn if ref.target not in maps]
    if report is not None and missing:
        raise UsageProblem(
            f"{report} has no heatmap of {plan.check} of {missing[0]}: run the gate over {root} "
            "with --safegen-heatmaps=all."
        )
    return drawn, maps


def _heatmap_paths(report: Path, check: str) -> dict[str, Path]:
    try:
        findings = [each for each in read_findings(report) if each.check == check and each.heatmap]
    except OSError as problem:
        raise UsageProblem(f"{report} is no report folder: {problem.strerror}.") from problem
    inside = {each.target: (report / str(each.heatmap)).resolve() for each in findings}
    return {name: path for name, path in inside.items() if path.is_relative_to(report.resolve())}


def random_token(random: np.random.Generator) -> str:
    """A random name of 12 hexadecimal digits."""
    return random.bytes(6).hex()


def crossover_orders(
    cases: Sequence[Case], *, readers: int, heatmaps: bool, random: np.random.Generator
) -> tuple[tuple[Trial, ...], ...]:
    """The order of trials of each reader.

    With heatmaps each case is read twice: in the first period half of the cases of each kind have
    their heatmap, in the second the other half. Every other reader has the halves the other way
    round, so that neither order nor learning favours a condition. Without, each case is read once.
    """
    if not heatmaps:
        return tuple(_shuffle_trials(cases, set(), 1, random) for _ in range(readers))
    first = _random_half(cases, random)
    second = {case.token for case in cases} - first
    halves = [(first, second), (second, first)]
    return tuple(
        _shuffle_trials(cases, halves[reader % 2][0], 1, random)
        + _shuffle_trials(cases, halves[reader % 2][1], 2, random)
        for reader in range(readers)
    )


def _random_half(cases: Sequence[Case], random: np.random.Generator) -> set[str]:
    """The tokens of half of the cases of each kind."""
    chosen: set[str] = set()
    for kind in sorted({case.kind for case in cases}):
        tokens = [case.token for case in cases if case.kind == kind]
        chosen |= {tokens[place] for place in random.permutation(len(tokens))[: len(tokens) // 2]}
    return chosen


def _shuffle_trials(
    cases: Sequence[Case], with_heatmap: set[str], period: int, random: np.random.Generator
) -> tuple[Trial, ...]:
    return tuple(
        Trial(cases[place].token, period, cases[place].token in with_heatmap)
        for place in random.permutation(len(cases))
    )
