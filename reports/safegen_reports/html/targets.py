"""Targets, which get a page each: scans, series, and other names that have findings."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_safegen.api import Finding, Release, Run, ScanRef, Series, Verdict, worst
from safegen_reports.findings import limit_ratio, worst_first


@dataclass(frozen=True, slots=True)
class Target:
    """One row of the table and one page; `page` is relative to the report folder.

    `kind` is "scan", "series" or "unknown", which is a target that discovery did not find.
    `refs` are the scan itself or the timepoints; `findings` come worst first.
    """

    name: str
    kind: str
    subject: str
    refs: tuple[ScanRef, ...]
    findings: tuple[Finding, ...]

    @property
    def stem(self) -> str:
        """The name of the page and the beginning of its pictures' names."""
        return (
            f"{self.kind}-{page_stem(self.name)}" if self.kind != "scan" else page_stem(self.name)
        )

    @property
    def page(self) -> str:
        """The page's path in the report folder."""
        return f"{'series' if self.kind == 'series' else 'scans'}/{self.stem}.html"

    @property
    def verdict(self) -> Verdict | None:
        """The worst verdict of all findings; None where nothing was judged."""
        return worst(*(finding.verdict for finding in self.findings)) if self.findings else None


def collect_targets(run: Run, releases: Sequence[Release]) -> list[Target]:
    """All targets, in the order of discovery; no finding of the run is lost."""
    found = _findings_by_target(run.findings)
    series = [series for release in releases for series in release.series]
    known = [target for each in series for target in _series_targets(each, found)]
    names = {"", *(target.name for target in known)}
    others = [
        Target(name, "unknown", "", (), findings)
        for name, findings in found.items()
        if name not in names
    ]
    return known + others


def worst_targets_first(rows: Sequence[Target]) -> list[Target]:
    """The targets by their worst finding; those that were not judged come last."""
    return sorted(rows, key=_severity_key)


def _severity_key(target: Target) -> tuple[float, float]:
    if not target.findings:
        return 1.0, 0.0
    first = target.findings[0]
    return -float(first.verdict.rank), -limit_ratio(first)


def _findings_by_target(findings: Sequence[Finding]) -> dict[str, tuple[Finding, ...]]:
    groups = defaultdict(list)
    for finding in findings:
        groups[finding.target].append(finding)
    return {name: tuple(worst_first(group)) for name, group in groups.items()}


def _series_targets(series: Series, found: Mapping[str, tuple[Finding, ...]]) -> Iterator[Target]:
    scans = {ref.target for ref in series.refs}
    if series.target in found and series.target not in scans:
        findings = found[series.target]
        yield Target(series.target, "series", series.subject, series.refs, findings)
    for ref in series.refs:
        yield Target(ref.target, "scan", ref.subject, (ref,), found.get(ref.target, ()))


MAX_SLUG_CHARS = 60


def slug(text: str) -> str:
    """The text's end in a-z, 0-9 and hyphens, at most 60 characters; may be empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^a-z0-9]+", "-", plain.lower())[-MAX_SLUG_CHARS:].strip("-")


def page_stem(target: str) -> str:
    """A file name without ending for a target: a readable part, then 8 digits of its SHA-256."""
    digest = hashlib.sha256(target.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return "-".join(part for part in (slug(target), digest) if part)


class PictureBudget:
    """Counts the bytes of pictures; the target that reaches the limit is still drawn."""

    def __init__(self, megabytes: float = math.inf) -> None:
        self._left = megabytes * 1e6

    @property
    def is_spent(self) -> bool:
        """True if no more pictures may be drawn."""
        return self._left <= 0

    def spend(self, size: int) -> None:
        """Count some bytes."""
        self._left -= size
