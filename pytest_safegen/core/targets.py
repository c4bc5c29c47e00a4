"""What a detector is asked to measure: a scan, a series or a release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pytest_safegen.core.scan import Fact, Prepared, Scan, ScanRef, Series


class Scope(StrEnum):
    """What one score of a detector speaks of."""

    SCAN = "scan"
    SERIES = "series"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class ScanTarget:
    """What a scan detector gets. Exactly one of `scan` and `problem` says something.

    `own` is the scan on an isotropic grid of its own and `prepared` the same on the profile's
    grid; both are None without a profile, or where `unprepared` says why.
    `facts` is the scan's row in the table of scans. `problem` tells why the scan cannot be read;
    only a detector with `judges_unreadable` ever sees such a target. `headline` is that of
    `problem` or `unprepared`.
    """

    ref: ScanRef
    scan: Scan | None
    prepared: Prepared | None = None
    own: Prepared | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    problem: str = ""
    unprepared: str = ""
    headline: str = ""


@dataclass(frozen=True, slots=True)
class SeriesTarget:
    """What a series detector gets: all readable timepoints of one patient, in order.

    `cohort` are all patients of the release, this one too; their scans have not been read.
    """

    series: Series
    scans: tuple[ScanTarget, ...]
    cohort: tuple[Series, ...] = ()


@dataclass(frozen=True, slots=True)
class ReleaseTarget:
    """What a release detector gets: the table of scans, a row of facts a scan."""

    rows: tuple[Mapping[str, Fact], ...]


Target = ScanTarget | SeriesTarget | ReleaseTarget
