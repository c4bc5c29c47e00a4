"""The nouns of the gate: frozen values that every other module speaks in.

Arrays are numpy, axes (i, j, k) are voxel axes, affines map voxel indices to world
coordinates in mm (RAS+), as nibabel defines them. Arrays held here are read-only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]
    BoolArray = NDArray[np.bool_]
    Affine = NDArray[np.float64]

Fact = float | str | None
"""One cell of the table of scans; None is unknown."""


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


def worst(*verdicts: Verdict) -> Verdict:
    """The worst of some verdicts; PASS where there is none."""
    return reduce(lambda a, b: a if a.rank >= b.rank else b, verdicts, Verdict.PASS)


class Scope(StrEnum):
    """What one score of a detector speaks of."""

    SCAN = "scan"
    SERIES = "series"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class ScanRef:
    """One scan that discovery found; nothing of its voxels is read yet.

    `target` is the path relative to the data root, "/" separated: the scan's name in results.
    `path` is a file, or the folder of a DICOM series. `months` is the time of the scan.
    `mask` is the mask of the pathology. `labels` holds what else the manifest, the sidecar and
    `sessions.tsv` say.
    """

    target: str
    subject: str
    session: str | None
    modality: str | None
    path: Path
    months: float | None = None
    mask: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Series:
    """All scans of one synthetic patient, ordered by time; `target` names it in results."""

    target: str
    subject: str
    refs: tuple[ScanRef, ...]

    @property
    def timepoints(self) -> int:
        """The largest number of scans of one modality: 1 is no follow-up."""
        modalities = [ref.modality for ref in self.refs]
        return max(modalities.count(modality) for modality in modalities)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that discovery saw and did not take as a scan, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Release:
    """Everything found under one data root."""

    root: Path
    series: tuple[Series, ...]
    manifest: Path | None = None
    left_out: tuple[LeftOut, ...] = ()

    @property
    def refs(self) -> tuple[ScanRef, ...]:
        """Every scan, series by series."""
        return tuple(ref for series in self.series for ref in series.refs)


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan in memory, as its file holds it.

    `voxels` float32 (i, j, k); `affine` 4x4 to mm RAS+; `mask` bool (i, j, k) of the pathology,
    None where there is none; `stored_type` the data type in the file, such as "int16";
    `mask_problem` says why a mask that should be there is None.
    """

    ref: ScanRef
    voxels: FloatArray
    affine: Affine
    mask: BoolArray | None = None
    stored_type: str = ""
    mask_problem: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A scan on a common grid: RAS, isotropic, normalised intensities.

    `voxels` float32 (i, j, k), about 0 (background or lower end) to 1 (upper end of tissue);
    `body` bool (i, j, k), where there is something to judge; `affine` 4x4, grid index to mm in
    the grid's own world; `to_scan` 4x4, mm in that world to mm in the scan's world;
    `similarity` -1..1, correlation with the template after alignment, None if not aligned;
    `pathology` bool (i, j, k), what is stated to be pathology, None where nothing is;
    `intensity` says on which kind of scale the scan was, "mr" or "ct".
    """

    voxels: FloatArray
    body: BoolArray
    affine: Affine
    to_scan: Affine
    similarity: float | None = None
    pathology: BoolArray | None = None
    intensity: str = "mr"


@dataclass(frozen=True, slots=True)
class ScanTarget:
    """What a scan detector gets. Exactly one of `scan` and `problem` says something.

    `own` is the scan on an isotropic grid of its own and `prepared` the same on the profile's
    grid; both are None without a profile, or where `unprepared` says why.
    `facts` is the scan's row in the table of scans. `problem` tells why the scan cannot be read;
    only a detector with `judges_unreadable` ever sees such a target.
    """

    ref: ScanRef
    scan: Scan | None
    prepared: Prepared | None = None
    own: Prepared | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    problem: str = ""
    unprepared: str = ""


@dataclass(frozen=True, slots=True)
class SeriesTarget:
    """What a series detector gets: all readable timepoints of one patient, in order.

    `among` are all patients of the release, this one too; their scans have not been read.
    """

    series: Series
    scans: tuple[ScanTarget, ...]
    among: tuple[Series, ...] = ()


@dataclass(frozen=True, slots=True)
class ReleaseTarget:
    """What a release detector gets: the table of scans, a row of facts a scan."""

    rows: tuple[Mapping[str, Fact], ...]


Target = ScanTarget | SeriesTarget | ReleaseTarget


@dataclass(frozen=True, slots=True)
class Heatmap:
    """Where a detector sees what it measured.

    `values` float32 (i, j, k) on the grid of `affine`; 1.0 is the voxel-level limit, above which
    the detector would outline. `meaning` is the legend; `ceiling` the top of the colour scale;
    `of` is the target of the scan whose grid this is, where the finding is of a whole series;
    `name` is short and lower-case, such as "grad-cam", and needed only of an explanation.
    """

    values: FloatArray
    affine: Affine
    meaning: str
    ceiling: float = 3.0
    of: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Unexplained:
    """An explanation that could not be made, by the name its map would have had, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Measure:
    """One number with its unit; `says` is the clause that explains it if its rule is broken."""

    name: str
    value: float
    unit: str = ""
    says: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """What a detector measured of one target; it judges nothing.

    `value`: higher is worse; None where only the measures are judged. `says`: what is wrong and
    where (mm), in one clause without a full stop, used if the score is above its limit.
    `nearest`: the reference patient or timepoint that the score speaks of.
    """

    value: float | None
    measures: tuple[Measure, ...] = ()
    heatmap: Heatmap | None = None
    nearest: str | None = None
    says: str = ""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a detector learned from real scans: numeric arrays, and facts that JSON can hold.

    `held_out` may hold a score for each real patient, by name, that the detector made without
    having learned from that patient; it is then calibrated on them and not fitted again.
    """

    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    held_out: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Profile:
    """One detector's knowledge of the real scans, with the scores of real scans it never saw.

    `calibration` float64 (n,), sorted, may be empty; `calibration_source` says whose scores.
    """

    detector: str
    digest: str
    arrays: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]
    calibration: NDArray[np.float64]
    calibration_source: str
    reference_count: int


@dataclass(frozen=True, slots=True)
class Rule:
    """When a number warns or fails, and where that limit is from.

    `false_alarm_rate` asks for a limit from the calibration scores instead of a fixed one.
    """

    fail_above: float | None = None
    warn_above: float | None = None
    fail_below: float | None = None
    warn_below: float | None = None
    false_alarm_rate: float | None = None
    source: str = "engineering default"


@dataclass(frozen=True, slots=True)
class Finding:
    """The gate's word on one check of one target, as it stands in results.jsonl.

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


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the gate, with everything a report needs apart from the voxels.

    `counts` is the accounting: discovered, collected, judged, reported, deselected.
    `calibrations` holds, per check, the calibration scores and limits, and where they are from.
    `release` is a digest of what a complete run judges, and `checks` are the checks in force with
    their scope: by these, parts of one release are known.
    `commit` is that of the project, and `dirty` says that its files were changed since.
    `data_digest` is that of every scan's content; `basis` is what runs must share to be compared,
    by name; `worse` says per check and measure where worse lies: "higher", "lower" or "either".
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
    calibrations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    release: str = ""
    checks: Mapping[str, str] = field(default_factory=dict)
    dirty: bool | None = None
    data_digest: str = ""
    basis: Mapping[str, str] = field(default_factory=dict)
    worse: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    regression: Mapping[str, Any] = field(default_factory=dict)
    schema: int = 1
