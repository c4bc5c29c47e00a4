"""What every report shares: headlines, findings grouped by headline, and their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_safegen.api import Finding, Verdict, shortened

ACCOUNTING_STEPS = ("discovered", "collected", "judged", "reported")


@dataclass(frozen=True, slots=True)
class HeadlineGroup:
    """All findings with one verdict and one headline, the worst first."""

    verdict: Verdict
    headline: str
    findings: tuple[Finding, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many findings each check contributes."""
        return Counter(finding.check for finding in self.findings)

    @property
    def title(self) -> str:
        """The headline, with the number of findings where there are several."""
        count = len(self.findings)
        return self.headline if count == 1 else f"{self.headline}: {count:,} findings"


def headline_of(finding: Finding) -> str:
    """The headline; of a finding without one the start of its sentence, and "" for a PASS."""
    if finding.verdict is Verdict.PASS:
        return ""
    return finding.headline or shortened(finding.reason)


def explanation_of(finding: Finding) -> str:
    """The full sentence, "" where it says no more than the headline."""
    return "" if finding.reason.rstrip(".") == headline_of(finding) else finding.reason


def breach_lines(finding: Finding) -> list[str]:
    """A line for each number beyond its limit, the worst first."""
    from pytest_safegen.api import breach_line  # loads numpy, which `safegen --help` does without

    return [breach_line(breach) for breach in finding.breaches]


def limit_ratio(finding: Finding) -> float:
    """Score over limit; 0 without a score or without a positive limit."""
    if finding.score is None or not finding.threshold or finding.threshold < 0:
        return 0.0
    return finding.score / finding.threshold


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """The findings by verdict, then by how many times the score is the limit."""
    return sorted(findings, key=lambda finding: (-finding.verdict.rank, -limit_ratio(finding)))


def headline_groups(findings: Sequence[Finding]) -> list[HeadlineGroup]:
    """Findings that did not pass, by verdict and headline: the worst verdict first, then the most
    frequent headline.
    """
    groups: dict[tuple[Verdict, str], list[Finding]] = {}
    for finding in worst_first(findings):
        if finding.verdict is not Verdict.PASS:
            groups.setdefault((finding.verdict, headline_of(finding)), []).append(finding)
    found = [HeadlineGroup(*key, tuple(group)) for key, group in groups.items()]
    return sorted(found, key=lambda group: (-group.verdict.rank, -len(group.findings)))
