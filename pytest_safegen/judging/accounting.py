"""Whether the counts agree: discovered = collected = judged = reported."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.core.finding import Finding
from pytest_safegen.core.scan import Release
from pytest_safegen.core.targets import Scope

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Accounting:
    """What a complete run must judge: (check, target) pairs, and how many scans there are."""

    expected: frozenset[Key]
    scans: int
    series: int
    left_out: int

    @classmethod
    def of(cls, releases: Sequence[Release], detectors: Mapping[str, Detector]) -> Accounting:
        """What a complete run of these checks on these releases must judge."""
        refs = [ref for release in releases for ref in release.refs]
        follow_ups = [s for release in releases for s in release.series if s.timepoints > 1]
        pairs = {
            (name, subject.target)
            for name, detector in detectors.items()
            for subject in _subjects(detector.scope, refs, follow_ups)
        }
        left_out = sum(len(release.left_out) for release in releases)
        return cls(frozenset(pairs), len(refs), len(follow_ups), left_out)

    def counts(
        self, collected: Collection[Key], findings: Sequence[Finding], reported: Collection[Key]
    ) -> dict[str, int]:
        """The counts of the accounting line, by name.

        `collected` are the pairs that pytest kept, `reported` those that are in results.jsonl.
        """
        judged = keys_of(findings) & self.expected
        return {
            "scans": self.scans,
            "series": self.series,
            "left_out": self.left_out,
            "discovered": len(self.expected),
            "collected": len(self.expected & set(collected)),
            "judged": len(judged),
            "reported": len(self.expected & set(reported)),
        }

    def problems(
        self,
        collected: Collection[Key],
        findings: Sequence[Finding],
        reported: Collection[Key],
        *,
        narrowed: bool,
        min_scans: int,
    ) -> list[str]:
        """A sentence for each count that does not agree; `narrowed`: the user left checks out."""
        known = set(collected) & self.expected
        judged = keys_of(findings)
        not_collected = [] if narrowed else sorted(self.expected - known)
        not_judged = sorted(known - judged)
        not_reported = sorted(judged - set(reported))
        sentences = []
        if self.scans < min_scans:
            sentences.append(f"Only {self.scans} scans were found, but {min_scans} are required.")
        if not_collected:
            example = _count_with_example(not_collected)
            sentences.append(f"{example} discovered but not collected by pytest.")
        if not_judged:
            example = _count_with_example(not_judged)
            sentences.append(
                f"{example} collected but never judged: the run stopped, or a worker died."
            )
        if not_reported:
            example = _count_with_example(not_reported)
            sentences.append(f"{example} judged but missing from results.jsonl.")
        return sentences


def keys_of(findings: Iterable[Finding]) -> set[Key]:
    """The (check, target) pairs of some findings."""
    return {(finding.check, finding.target) for finding in findings}


def _subjects(scope: Scope, refs: Iterable, follow_ups: Iterable) -> Iterable:  # type: ignore[type-arg]
    return {Scope.SCAN: refs, Scope.SERIES: follow_ups}.get(scope, ())


def _count_with_example(pairs: Sequence[Key]) -> str:
    check, target = pairs[0]
    if len(pairs) == 1:
        return f"1 check ({check} of {target}) was"
    return f"{len(pairs)} checks (such as {check} of {target}) were"
