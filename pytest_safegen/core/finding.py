"""Verdicts, findings and runs: what the gate says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import reduce
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct

from pytest_safegen.core.score import Measure


class Verdict(StrEnum):
    """What the gate says of one target; only PASS, WARN and WAIVED let a release through.

    WAIVED would block, and a person has reviewed it and answers for it until a stated day.
    """

    PASS = "PASS"  # noqa: S105  a verdict, no password
    WARN = "WARN"
    WAIVED = "WAIVED"
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"
    FAIL = "FAIL"

    @property
    def blocks(self) -> bool:
        """True where a release must not go out."""
        return self in (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE)

    @property
    def rank(self) -> int:
        """0 for PASS, up to 5 for FAIL, the order of badness."""
        return list(Verdict).index(self)


T = TypeVar("T")

HEADLINE_LENGTH = 90


def shortened(text: str, length: int = HEADLINE_LENGTH) -> str:
    """The first sentence of a text as a headline: without its full stop, cut between words.

    >>> shortened("The file is truncated. Export it again.")
    'The file is truncated'
    >>> shortened("one two three", 9)
    'one two…'
    """
    first = text.strip().split(". ")[0].split("\n")[0].rstrip(".")
    if len(first) <= length:
        return first
    return first[:length].rpartition(" ")[0].rstrip(" ,;:(") + "…"


def worst(*verdicts: Verdict) -> Verdict:
    """The worst of some verdicts; PASS where there is none."""
    return reduce(lambda a, b: a if a.rank >= b.rank else b, verdicts, Verdict.PASS)


@dataclass(frozen=True, slots=True)
class Breach:
    """One number beyond its limit; not `above` where it lies below, `source` is the limit's."""

    measure: str
    value: float
    limit: float
    verdict: Verdict
    unit: str = ""
    above: bool = True
    source: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """The gate's word on one check of one target, as it stands in results.jsonl.

    `headline` says in at most 90 characters what is wrong, and is empty for a PASS; `reason` is the
    full sentence, and `breaches` are the numbers behind it, the worst first. `modality` is that of
    the real scans by which a score was calibrated, "" where there is only one.
    `target` is relative to the data root, or "" for the release as a whole; `heatmap` is a path
    relative to the report folder, and `layers` are those of the maps that explain it, by name.
    `content` is the digest of the files that were judged, of a finding that a person may waive.
    """

    check: str
    target: str
    verdict: Verdict
    reason: str
    score: float | None = None
    threshold: float | None = None
    p_value: float | None = None
    measures: tuple[Measure, ...] = ()
    heatmap: str | None = None
    layers: Mapping[str, str] = field(default_factory=dict)
    nearest: str | None = None
    seconds: float = 0.0
    content: str = ""
    headline: str = ""
    breaches: tuple[Breach, ...] = ()
    modality: str = ""


class Calibration(Struct, frozen=True, forbid_unknown_fields=True):
    """How the score of one check was calibrated on real scans of one modality."""

    scores: Annotated[
        tuple[float, ...], Meta(description="of real scans that the check had not seen")
    ]
    source: Annotated[str, Meta(description="where the limit is from")] = ""
    limit: float | None = None
    warn_limit: float | None = None


class MeasureLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of one measure; null where there is none on that side."""

    fail_above: float | None = None
    warn_above: float | None = None
    fail_below: float | None = None
    warn_below: float | None = None
    source: Annotated[str, Meta(description="where the limits are from")] = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the gate, with everything a report needs apart from the voxels.

    `counts` is the accounting: discovered, collected, judged, reported, deselected.
    `calibrations` holds the calibration scores and limits per check and modality, `limits` those of
    every measure per check, modality and name; a modality is "" where there is one only.
    `calibration.calibration_of` and `limits_of` look them up.
    `release` is a digest of what a complete run judges, and `checks` are the checks in force with
    their scope: by these, parts of one release are known.
    `commit` is that of the project, and `dirty` says that its files were changed since.
    `data_digest` is that of every scan's content; `comparability` is what runs must share to be
    compared, by name; `directions` says per check and measure where worse lies: "higher", "lower"
    or "either".
    `regression` is the comparison with the baseline, as gate.json holds it.
    """

    id: str
    created: str
    verdict: Verdict
    reasons: tuple[str, ...]
    roots: tuple[str, ...]
    mode: str
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    generator: str | None = None
    version: str | None = None
    commit: str | None = None
    config_digest: str = ""
    profile_digests: Mapping[str, str] = field(default_factory=dict)
    calibrations: Mapping[str, Mapping[str, Calibration]] = field(default_factory=dict)
    limits: Mapping[str, Mapping[str, Mapping[str, MeasureLimits]]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    release: str = ""
    checks: Mapping[str, str] = field(default_factory=dict)
    dirty: bool | None = None
    data_digest: str = ""
    comparability: Mapping[str, str] = field(default_factory=dict)
    directions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    regression: Mapping[str, Any] = field(default_factory=dict)
    schema: int = 1


def calibration_of(run: Run, check: str, modality: str = "") -> Calibration | None:
    """The calibration by which a check judged scans of a modality; None where it used fixed limits.

    `modality` is `Finding.modality`. Real scans of a single modality stand under "" and serve all.
    """
    return _of_modality(run.calibrations.get(check, {}), modality)


def limits_of(run: Run, check: str, measure: str, modality: str = "") -> MeasureLimits | None:
    """The limits of a measure (or of "score") of a check; None where it has none.

    A limit may be set for a pattern of names, such as `volume@*`; one for the name itself goes
    first.
    """
    known = _of_modality(run.limits.get(check, {}), modality) or {}
    if measure in known:
        return known[measure]
    return next((limit for name, limit in known.items() if fnmatchcase(measure, name)), None)


def _of_modality(known: Mapping[str, T], modality: str) -> T | None:
    if modality in known:
        return known[modality]
    return known[""] if set(known) == {""} else None
