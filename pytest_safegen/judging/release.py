"""Findings -> the verdict on a release."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_safegen.core.finding import Finding, Verdict, worst


def conclude(
    findings: Sequence[Finding], problems: Sequence[str], *, partial: str = ""
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict on the whole run, and the reasons for it.

    `problems` are breaks in the accounting; `partial` says that the user left checks out of this
    run, which then says nothing of the release.
    """
    verdict = worst(*(finding.verdict for finding in findings))
    reasons = [*problems, *_counted(findings)]
    if problems:
        return worst(verdict, Verdict.ERROR), tuple(reasons)
    if partial and not verdict.blocks:
        return Verdict.INCONCLUSIVE, (partial, *reasons)
    if not findings:
        return Verdict.INCONCLUSIVE, ("nothing was judged",)
    return verdict, tuple(reasons)


def _counted(findings: Sequence[Finding]) -> list[str]:
    lines = []
    for verdict in sorted(Verdict, key=lambda v: -v.rank):
        checks = [finding.check for finding in findings if finding.verdict == verdict]
        if checks and verdict is not Verdict.PASS:
            split = ", ".join(f"{name} {checks.count(name)}" for name in sorted(set(checks)))
            lines.append(f"{len(checks)} {verdict} ({split})")
    return lines
