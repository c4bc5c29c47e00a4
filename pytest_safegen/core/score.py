"""What a detector returns and learns: scores, maps, profiles, rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_safegen.core.scan import Affine, FloatArray


SCORE = "score"
"""The name by which rules and limits mean `Score.value`, beside those of the measures."""


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
    """One number with its unit.

    `message` is the clause that explains it if its rule is broken, and `headline` the same in at
    most 90 characters, as a radiologist or an engineer would say it: "Grid changed", "Lesion grew
    twice as fast as stated".
    """

    name: str
    value: float
    unit: str = ""
    message: str = ""
    headline: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """What a detector measured of one target; it judges nothing.

    `value`: higher is worse; None where only the measures are judged. `message`: what is wrong and
    where (mm), in one clause without a full stop, used if the score is above its limit; `headline`:
    the same in at most 90 characters ("Noise-like region, 9 ml, right frontal").
    `nearest`: the reference patient or timepoint that the score speaks of.
    """

    value: float | None
    measures: tuple[Measure, ...] = ()
    heatmap: Heatmap | None = None
    nearest: str | None = None
    message: str = ""
    headline: str = ""


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
