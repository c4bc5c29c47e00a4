"""From two runs to samples: which scans are compared with which, and the numbers of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from pytest_safegen.core.finding import Finding, Run, Verdict
from pytest_safegen.results.comparison.model import SCORE, Numbers, Sample

SHARED = 0.8
FEWEST = 6
"""Fewer numbers than this are not tested: no p-value of theirs could be small."""

BY_TARGET = Mapping[str, Finding]


@dataclass(frozen=True, slots=True)
class Both:
    """The findings of one check in both runs, by target; `paired` says that targets repeat."""

    check: str
    a: BY_TARGET
    b: BY_TARGET
    paired: bool

    @property
    def shared(self) -> list[str]:
        """The targets that are in both, in a fixed order."""
        return sorted(set(self.a) & set(self.b))


def both_of(a: Run, b: Run) -> list[Both]:
    """The checks on scans and series, by name.

    Scans are paired where four fifths of the targets of either run are in both.
    """
    paired = shared_targets(a, b) >= SHARED * max(len(_targets(a)), len(_targets(b)), 1)
    checks = sorted({f.check for f in (*a.findings, *b.findings) if f.target})
    return [Both(check, _of(a, check), _of(b, check), paired) for check in checks]


def shared_targets(a: Run, b: Run) -> int:
    """How many scans and series are in both runs."""
    return len(_targets(a) & _targets(b))


def failed(finding: Finding) -> bool:
    """True if a scan failed; a waiver answers for a scan, not for the generator that made it."""
    return finding.verdict.blocks or finding.verdict is Verdict.WAIVED


def samples_of(both: Both, worse: Mapping[str, str]) -> Iterator[Sample]:
    """Every number of a check that enough scans of both runs have."""
    names = {name for part in (both.a, both.b) for f in part.values() for name in _numbers(f)}
    for name in sorted(names, key=lambda n: (n != SCORE, n)):
        a, b = _column(both, name)
        if min(a.size, b.size) >= FEWEST and not _constant(a, b):
            yield Sample(both.check, name, a, b, both.paired, _direction(name, worse))


def calibration_of(run: Run, check: str) -> Numbers:
    """The scores of real scans that a check was calibrated on, of all modalities."""
    groups = [
        values.get("scores", ())
        for name, values in run.calibrations.items()
        if name == check or name.startswith(f"{check}:")
    ]
    return np.array([score for group in groups for score in group], dtype=np.float64)


def _column(both: Both, name: str) -> tuple[Numbers, Numbers]:
    if both.paired:
        known = [t for t in both.shared if _has(both.a[t], name) and _has(both.b[t], name)]
        return _values([both.a[t] for t in known], name), _values([both.b[t] for t in known], name)
    first, second = ([f for f in part.values() if _has(f, name)] for part in (both.a, both.b))
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


def _direction(name: str, worse: Mapping[str, str]) -> str:
    if name in worse:
        return worse[name]
    return next((side for key, side in worse.items() if fnmatchcase(name, key)), "either")


def _of(run: Run, check: str) -> dict[str, Finding]:
    return {f.target: f for f in run.findings if f.check == check and f.target}


def _targets(run: Run) -> set[str]:
    return {finding.target for finding in run.findings if finding.target}
