"""Runs to remember, made by hand."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from pytest_safegen import Finding, Measure, Run, Verdict

BASIS = {
    "profile": "p1",
    "preprocessing": "q1",
    "limits and options": "l1",
    "device class": "cpu",
    "version of check anomaly": "1",
}


def finding(
    place: int, score: float = 0.5, *, check: str = "anomaly", limit: float = 1.0
) -> Finding:
    """A finding on one scan, with a measure that follows the score."""
    verdict = Verdict.FAIL if score > limit else Verdict.PASS
    measures = (Measure("share", score / 2, ""),)
    return Finding(check, f"s{place:03}.nii.gz", verdict, "Why.", score, limit, None, measures)


def run_of(
    scores: Sequence[float] = (0.5, 0.6, 0.7),
    *,
    version: str = "1.0",
    generator: str = "gan",
    created: str = "2026-01-01T00:00:00+00:00",
    identity: str | None = None,
    check: str = "anomaly",
    first: int = 0,
) -> Run:
    """A complete run of one check."""
    findings = tuple(finding(first + n, score, check=check) for n, score in enumerate(scores))
    steps = ("discovered", "collected", "judged", "reported")
    failed = any(each.verdict is Verdict.FAIL for each in findings)
    return Run(
        id=identity or uuid.uuid4().hex,
        created=created,
        verdict=Verdict.FAIL if failed else Verdict.PASS,
        reasons=("1 FAIL",) if failed else (),
        roots=("synthetic",),
        mode="enforce",
        findings=findings,
        counts={"scans": len(findings), **dict.fromkeys(steps, len(findings))},
        generator=generator,
        version=version,
        checks={check: "scan"},
        comparability=BASIS | {f"version of check {check}": "1"},
        directions={check: {"score": "higher", "share": "higher"}},
        data_digest="d1",
    )
