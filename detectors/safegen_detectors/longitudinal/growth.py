"""Lesion growth: doubling times, stated models and what is plausible for a pathology."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Sequence

DAYS_A_MONTH = 30.4375
DAYS_A_YEAR = 365.25
SIGMAS = 2.0

Model = Literal["exponential", "linear", "stable"]


@dataclass(frozen=True, slots=True)
class Band:
    """The fastest growth that can be believed of a pathology.

    `limit` is a volume doubling time in days, or a diameter speed in mm a year, by `kind`.
    `shrinks` is True where lesions may go away by themselves.
    """

    name: str
    words: str
    kind: Literal["doubling", "diameter"]
    limit: float
    source: str
    shrinks: bool = False


BANDS = (
    Band(
        "a ground-glass lung nodule",
        r"ground.?glass|\bp?ggn\b|\bggo\b",
        "doubling",
        50.0,
        "half of 100 days; mean doubling time 813 days (Hasegawa et al. 2000)",
    ),
    Band(
        "a part-solid lung nodule",
        r"part.?solid|sub.?solid",
        "doubling",
        25.0,
        "half of 50 days; overall range 52-1733 days (Hasegawa et al. 2000)",
    ),
    Band(
        "a brain metastasis",
        r"metasta",
        "doubling",
        7.0,
        "less than a tenth of the published 86-139 days of untreated brain metastases",
    ),
    Band(
        "a lung nodule",
        r"nodule|\blung\b",
        "doubling",
        10.0,
        "about half of the fastest published doubling time of lung cancer, 18-26 days",
    ),
    Band(
        "a low-grade glioma",
        r"low.?grade|\blgg\b|oligodendro",
        "diameter",
        36.0,
        "5.8 +- 6.3 mm a year (n = 407, PMC3635513); twice its mean + 2 sd",
    ),
    Band(
        "a high-grade glioma",
        r"glioblastoma|\bgbm\b|high.?grade|\bhgg\b|glioma",
        "doubling",
        5.0,
        "a quarter of the median doubling time 21 days (n = 95, Cancer 2016;122:1718)",
    ),
    Band(
        "a meningioma",
        r"meningioma",
        "doubling",
        182.0,
        "less than half of the fastest published doubling time, 1.27 years (Nakamura et al. 2003)",
    ),
    Band(
        "a multiple sclerosis lesion",
        r"multiple.?sclerosis|\bms\b",
        "diameter",
        365.0,
        "a radius of 0.5 mm a day, engineering default",
        shrinks=True,
    ),
)
ANY_LESION = Band(
    "any lesion", "", "doubling", 5.0, "engineering default: the fastest known tumour"
)


def band_for(pathology: str | None) -> Band:
    """The band of a pathology as people write it; a wide one for what is not known."""
    text = (pathology or "").lower().replace("_", " ")
    return next((band for band in BANDS if re.search(band.words, text)), ANY_LESION)


def diameter(volume: float) -> float:
    """Diameter in mm of a sphere of some ml."""
    return math.cbrt(6000.0 * volume / math.pi)


def volume_noise(volume: float, *, spacing: Sequence[float]) -> float | None:
    """Relative standard deviation of a volume (ml) from counting voxels (mm) alone.

    (s/d)^2 with the largest voxel side s and the diameter d, half of it on thick slices; fitted
    to spheres at random places. None below d = 2 s, where a volume cannot be measured.
    """
    side, thinnest = max(spacing), min(spacing)
    across = diameter(volume)
    if across < 2 * side:
        return None
    noise = (side / across) ** 2
    return noise if side / thinnest <= 1.5 else 0.5 * noise


def doubling_days(log_ratio: float, *, days: float) -> float:
    """Volume doubling time of a growth by `log_ratio` = ln(V2/V1); infinite without growth."""
    return days * math.log(2) / log_ratio if log_ratio > 0 else math.inf


def growth_speed(first: float, second: float, *, days: float, noise: float, band: Band) -> float:
    """Growth between two volumes (ml) in units of the band's limit; 1 and above is too fast.

    `noise` is the standard deviation of ln(V2/V1); growth within two of them does not count.
    """
    sure = math.log(second / first) - SIGMAS * noise
    if sure <= 0:
        return 0.0
    if band.kind == "doubling":
        return band.limit / doubling_days(sure, days=days)
    wider = diameter(first) * (math.exp(sure / 3) - 1)
    return wider / (days / DAYS_A_YEAR) / band.limit


def fastest_log_ratio(first: float, *, days: float, noise: float, band: Band) -> float:
    """ln(V2/V1) at which `growth_speed` from a first volume (ml) on is exactly 1."""
    slack = SIGMAS * noise
    if band.kind == "doubling":
        return math.log(2) * days / band.limit + slack
    wider = band.limit * days / DAYS_A_YEAR
    return 3 * math.log(1 + wider / diameter(first)) + slack


def known_model(name: str) -> Model | None:
    """The growth model of that name; None where there is none."""
    return next((model for model in get_args(Model) if model == name), None)


def model_log_ratio(model: Model, *, days_before: float, days: float, doubling: float) -> float:
    """ln(V2/V1) that a stated growth asks for over `days`, from `days_before` after its start.

    exponential: V doubles every `doubling` days. linear: the radius grows by the same length each
    day, and the volume doubles for the first time after `doubling` days. stable: no change.
    """
    if model == "stable":
        return 0.0
    if model == "exponential":
        return math.log(2) * days / doubling
    speed = (2 ** (1 / 3) - 1) / doubling
    return 3 * math.log((1 + speed * (days_before + days)) / (1 + speed * days_before))


def deviation(log_ratio: float, *, asked: float, noise: float) -> float:
    """How far a growth is from the stated one, in units of the tolerance ln(1.10) + 3 noise."""
    return abs(log_ratio - asked) / (math.log(1.10) + 3 * noise)
