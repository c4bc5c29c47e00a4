"""Whether the numbers add up: discovered = collected = judged = reported."""

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
        """What the discovered releases and the checks in force amount to."""
        refs = [ref for release in releases for ref in release.refs]
        followed = [s for release in releases for s in release.series if s.timepoints > 1]
        pairs = {
            (name, subject.target)
            for name, detector in detectors.items()
            for subject in _subjects(detector.scope, refs, followed)
        }
        left_out = sum(len(release.left_out) for release in releases)
        return cls(frozenset(pairs), len(refs), len(followed), left_out)

    def counts(
        self, collected: Collection[Key], findings: Sequence[Finding], reported: Collection[Key]
    ) -> dict[str, int]:
        """The accounting line as numbers.

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
        """A sentence for each number that does not add up; `narrowed`: the user asked for less."""
        kept = set(collected) & self.expected
        judged = keys_of(findings)
        unwritten = sorted(judged - set(reported))
        lost = [] if narrowed else sorted(self.expected - kept)
        silent = sorted(kept - judged)
        sentences = []
        if self.scans < min_scans:
            sentences.append(f"Only {self.scans} scans were found, at least {min_scans} must be.")
        if lost:
            sentences.append(f"{_count_with_example(lost)} discovered but not collected by pytest.")
        if silent:
            sentences.append(
                f"{_count_with_example(silent)} collected but never judged: "
                "the run stopped, or a worker died."
            )
        if unwritten:
            sentences.append(
                f"{_count_with_example(unwritten)} judged but missing from results.jsonl."
            )
        return sentences


def keys_of(findings: Iterable[Finding]) -> set[Key]:
    """The (check, target) pairs of some findings."""
    return {(finding.check, finding.target) for finding in findings}


def _subjects(scope: Scope, refs: Iterable, followed: Iterable) -> Iterable:  # type: ignore[type-arg]
    return {Scope.SCAN: refs, Scope.SERIES: followed}.get(scope, ())


def _count_with_example(pairs: Sequence[Key]) -> str:
    check, target = pairs[0]
    word = "check was" if len(pairs) == 1 else "checks were"
    return f"{len(pairs)} {word} (such as {check} of {target})"
