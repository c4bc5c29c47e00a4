"""From two runs to samples: which scans are compared with which, and the numbers of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from pytest_safegen.core.finding import Finding, Run, Verdict
from pytest_safegen.core.score import SCORE
from pytest_safegen.results.comparison.model import Numbers, Sample

PAIRED_SHARE = 0.8
MIN_NUMBERS = 6
"""Fewer numbers than this are not tested: no p-value of theirs could be small."""

ByTarget = Mapping[str, Finding]


@dataclass(frozen=True, slots=True)
class PairedFindings:
    """The findings of one check in both runs, by target; `paired` says that targets repeat."""

    check: str
    a: ByTarget
    b: ByTarget
    paired: bool

    @property
    def shared(self) -> list[str]:
        """The targets in both runs, in a fixed order."""
        return sorted(set(self.a) & set(self.b))


def paired_findings(a: Run, b: Run) -> list[PairedFindings]:
    """The checks on scans and series, by name.

    Scans are paired where four fifths of the targets of either run are in both.
    """
    paired = shared_targets(a, b) >= PAIRED_SHARE * max(len(_targets(a)), len(_targets(b)), 1)
    checks = sorted({f.check for f in (*a.findings, *b.findings) if f.target})
    return [PairedFindings(check, _of(a, check), _of(b, check), paired) for check in checks]


def shared_targets(a: Run, b: Run) -> int:
    """How many scans and series are in both runs."""
    return len(_targets(a) & _targets(b))


def failed(finding: Finding) -> bool:
    """True if a scan failed; a waiver answers for a scan, not for the generator that made it."""
    return finding.verdict.blocks or finding.verdict is Verdict.WAIVED


def samples_of(pair: PairedFindings, directions: Mapping[str, str]) -> Iterator[Sample]:
    """Every number of a check that enough scans of both runs have."""
    names = {name for part in (pair.a, pair.b) for f in part.values() for name in _numbers(f)}
    for name in sorted(names, key=lambda n: (n != SCORE, n)):
        a, b = _column(pair, name)
        if min(a.size, b.size) >= MIN_NUMBERS and not _constant(a, b):
            yield Sample(pair.check, name, a, b, pair.paired, _direction(name, directions))


def calibration_scores(run: Run, check: str) -> Numbers:
    """The scores of real scans that a check was calibrated on, of all modalities."""
    groups = [known.scores for known in run.calibrations.get(check, {}).values()]
    return np.array([score for group in groups for score in group], dtype=np.float64)


def _column(pair: PairedFindings, name: str) -> tuple[Numbers, Numbers]:
    if pair.paired:
        known = [t for t in pair.shared if _has(pair.a[t], name) and _has(pair.b[t], name)]
        return _values([pair.a[t] for t in known], name), _values([pair.b[t] for t in known], name)
    first, second = ([f for f in part.values() if _has(f, name)] for part in (pair.a, pair.b))
    return _values(first, name), _values(second, name)


def _numbers(finding: Finding) -> dict[str, float]:
    """The numbers of a finding; where nothing could be judged there are none."""
    if finding.verdict in (Verdict.ERROR, Verdict.INCONCLUSIVE):
        return {}
    head = {} if finding.score is None else {SCORE: finding.score}
    return {m.name: m.value for m in finding.measures} | head


def _has(finding: Finding, name: str) -> bool:
    return name in _numbers(finding)


def _values(findings: Sequence[Finding], name: str) -> Numbers:
    return np.array([_numbers(finding)[name] for finding in findings], dtype=np.float64)


def _constant(a: Numbers, b: Numbers) -> bool:
    return bool(np.ptp(np.concatenate([a, b])) == 0)


def _direction(name: str, directions: Mapping[str, str]) -> str:
    if name in directions:
        return directions[name]
    return next((side for key, side in directions.items() if fnmatchcase(name, key)), "either")


def _of(run: Run, check: str) -> dict[str, Finding]:
    return {f.target: f for f in run.findings if f.check == check and f.target}


def _targets(run: Run) -> set[str]:
    return {finding.target for finding in run.findings if finding.target}
