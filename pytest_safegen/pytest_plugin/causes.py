"""Failures by their cause: what many scans share is one cause, whichever scan it names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pytest

from pytest_safegen.core.finding import Finding
from pytest_safegen.judging.messages import breach_line
from pytest_safegen.pytest_plugin.failures import failure_text, headline, sentences

TARGETS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed test report of the gate, with its finding."""

    report: pytest.TestReport
    finding: Finding


@dataclass(frozen=True, slots=True)
class Cause:
    """The failures with the same verdict and the same headline."""

    failures: tuple[Failure, ...]

    @property
    def first(self) -> Failure:
        """The failure that stands for all."""
        return self.failures[0]

    @property
    def more(self) -> int:
        """How many other failures there are."""
        return len(self.failures) - 1

    @property
    def heading(self) -> str:
        """The node id of a single failure; the checks of several, and of what."""
        if not self.more:
            return self.first.report.nodeid
        checks = ", ".join(dict.fromkeys(one.finding.check for one in self.failures))
        targets = self._findings_by_target()
        only = f" of {self.first.finding.target}" if len(targets) == 1 else ""
        return f"{checks}{only}: {len(self.failures)} failures"

    def lines(self) -> list[str]:
        """The headline, the sentence if it is the same for all, and the numbers of each target."""
        finding = self.first.finding
        targets = self._findings_by_target()
        if len(targets) == 1:
            return failure_text(finding).splitlines()
        reasons = {_without_target(one.finding, one.finding.reason) for one in self.failures}
        text = sentences(finding) if len(reasons) == 1 else [headline(finding)]
        shown = [_with_numbers(one) for one in list(targets.values())[:TARGETS_SHOWN]]
        rest = len(targets) - len(shown)
        return [*text, *shown, *([f"  ... and {rest} more"] if rest else [])]

    def _findings_by_target(self) -> dict[str, Finding]:
        """The first finding of each target."""
        findings: dict[str, Finding] = {}
        for failure in self.failures:
            findings.setdefault(failure.finding.target, failure.finding)
        return findings


def causes_of(failures: Iterable[Failure]) -> list[Cause]:
    """The failures by cause: the worst verdict first, then in their own order."""
    groups: dict[tuple[str, str], list[Failure]] = {}
    for failure in failures:
        groups.setdefault(_key(failure.finding), []).append(failure)
    causes = [Cause(tuple(group)) for group in groups.values()]
    return sorted(causes, key=lambda cause: -cause.first.finding.verdict.rank)


def counted(causes: Sequence[Cause]) -> int:
    """How many failures some causes have."""
    return sum(len(cause.failures) for cause in causes)


def _key(finding: Finding) -> tuple[str, str]:
    """The verdict, and what is wrong without the scan's name."""
    cut = not finding.headline or finding.headline.endswith("…")
    text = finding.reason if cut else finding.headline
    return str(finding.verdict), _without_target(finding, text)


def _without_target(finding: Finding, text: str) -> str:
    """The text without the name of its scan, with its folder or alone.

    >>> from pytest_safegen.core.finding import Verdict
    >>> _without_target(Finding("x", "sub-1/a.nii", Verdict.FAIL, ""), "a.nii is empty.")
    '… is empty.'
    """
    for name in (finding.target, finding.target.rpartition("/")[2]):
        if name:
            text = re.sub(rf"(?<![\w/]){re.escape(name)}(?![\w/])", "…", text)
    return text


def _with_numbers(finding: Finding) -> str:
    numbers = f": {breach_line(finding.breaches[0])}" if finding.breaches else ""
    return f"  {finding.target or 'the release'}{numbers}"
