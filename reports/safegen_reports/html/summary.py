"""The numbers of the release page: the accounting, what was left out, the table's data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pytest_safegen.api import Finding, Release, Run, Verdict
from safegen_reports.html.targets import Target

STEPS = ("discovered", "collected", "judged", "reported")
BADNESS = tuple(sorted(Verdict, key=lambda verdict: -verdict.rank))
"""The verdicts, worst first."""
KINDS = ("scan", "series", "unknown")
LONGEST_SENTENCE = 160


@dataclass(frozen=True, slots=True)
class Step:
    """One number of the accounting, with the sign that stands before it."""

    sign: str
    name: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Missed:
    """A file that discovery left out; `path` is relative to its data root."""

    path: str
    reason: str


def accounting(run: Run) -> list[Step]:
    """Discovered, collected, judged, reported, with "=" or "≠" between; a missing count is ≠."""
    counts = [run.counts.get(name) for name in STEPS]
    equal = [a is not None and a == b for a, b in pairwise(counts)]
    signs = ["", *("=" if same else "≠" for same in equal)]
    return [Step(*step) for step in zip(signs, STEPS, counts, strict=True)]


def left_out(releases: Sequence[Release]) -> list[Missed]:
    """What discovery left out, with its reason."""
    return [
        Missed(_relative(str(missed.path), str(release.root)), missed.reason)
        for release in releases
        for missed in release.left_out
    ]


def table(
    rows: Sequence[Target], checks: Sequence[str], thumbnails: Mapping[str, str]
) -> dict[str, Any]:
    """The table of targets by checks as JSON, short enough for ten thousand rows.

    A row is `[name, stem of its page, kind, words to search, verdict, cells, sentence, picture]`:
    kind and verdict as places in `kinds` and `verdicts` (-1: not judged), a cell as
    `[check, verdict, score or null]`, the sentence of the worst finding unless it passed, and 1
    where there is a small picture.
    """
    places = {name: place for place, name in enumerate(checks)}
    return {
        "checks": list(checks),
        "kinds": list(KINDS),
        "verdicts": [str(verdict) for verdict in BADNESS],
        "rows": [_row(target, places, pictured=target.name in thumbnails) for target in rows],
    }


def cells(findings: Sequence[Finding]) -> dict[str, Finding]:
    """The worst finding of each check; the findings come worst first."""
    worst: dict[str, Finding] = {}
    for finding in findings:
        worst.setdefault(finding.check, finding)
    return worst


def sentence(target: Target, longest: int = LONGEST_SENTENCE) -> str:
    """What the worst finding says, cut short; nothing where all is well."""
    if target.verdict in (None, Verdict.PASS):
        return ""
    reason = target.findings[0].reason
    if len(reason) <= longest:
        return reason
    whole = reason[:longest].rpartition(" ")[0] or reason[: longest - 1]  # words are not cut
    return whole[: longest - 1].rstrip(" ,;:") + "…"


def _relative(path: str, root: str) -> str:
    return path.removeprefix(root).lstrip("/\\") or path


def _row(target: Target, places: Mapping[str, int], *, pictured: bool) -> list[Any]:
    return [
        target.name,
        target.stem,
        KINDS.index(target.kind),
        _words(target),
        BADNESS.index(target.verdict) if target.verdict else -1,
        [_cell(places[name], finding) for name, finding in cells(target.findings).items()],
        sentence(target),
        int(pictured),
    ]


def _words(target: Target) -> str:
    """What people search by that the name does not say already."""
    words = {target.subject, *(ref.session or "" for ref in target.refs)}
    words |= {ref.modality or "" for ref in target.refs}
    return " ".join(sorted(word for word in words if word and word not in target.name))


def _cell(check: int, finding: Finding) -> list[Any]:
    score = finding.score
    shown = float(f"{score:.4g}") if score is not None and math.isfinite(score) else None
    return [check, BADNESS.index(finding.verdict), shown]
