"""Published growth rates of untreated lesions, by pathology."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

DAYS_PER_MONTH = 30.4375
DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class GrowthBand:
    """Plausible growth of an untreated pathology.

    `edge` is the fastest published growth and `limit` implausible: volume doubling times in days,
    or diameter speeds in mm a year, by `kind`. `pattern` is a regular expression of how people
    write the pathology. `usual` is a clause on its usual growth, with the source. `shrinks` is True
    where lesions may go away by themselves, and `least_ratio` the volume ratio below which an
    untreated lesion warns. `stable_within` is the share of volume by which a lesion that is called
    stable may change.
    """

    name: str
    noun: str
    pattern: str
    kind: Literal["doubling", "diameter"]
    edge: float
    limit: float
    usual: str
    shrinks: bool = False
    least_ratio: float = 0.7
    stable_within: float = 0.25


GROWTH_BANDS = (
    GrowthBand(
        "a ground-glass lung nodule",
        "the ground-glass nodule",
        r"ground.?glass|\bp?ggn\b|\bggo\b",
        "doubling",
        100.0,
        50.0,
        "pure ground-glass nodules double in 813 +- 375 days (Hasegawa et al. 2000)",
        least_ratio=0.0,
    ),
    GrowthBand(
        "a part-solid lung nodule",
        "the part-solid nodule",
        r"part.?solid|sub.?solid",
        "doubling",
        50.0,
        25.0,
        "part-solid nodules double in 457 +- 260 days (Hasegawa et al. 2000)",
        least_ratio=0.0,
    ),
    GrowthBand(
        "a brain metastasis",
        "the metastasis",
        r"(?:brain|cerebr).*metasta|metasta.*(?:brain|cerebr)"
        r"|^(?!.*\b(?:liver|hepatic|lung|pulmonary|bone|spin\w+|nodal)\b).*metasta",
        "doubling",
        15.0,
        7.0,
        "untreated brain metastases double in 86 to 139 days (medians, n = 29)",
        stable_within=0.40,
    ),
    GrowthBand(
        "a lung nodule",
        "the nodule",
        r"nodule|\blung\b",
        "doubling",
        20.0,
        10.0,
        "solid lung cancers double in 149 +- 125 days, the fastest in 18 to 26 (Hasegawa et al. "
        "2000; Jennings et al. 2006)",
        least_ratio=0.0,
    ),
    GrowthBand(
        "a low-grade glioma",
        "the low-grade glioma",
        r"low.?grade|\blgg\b|(?<!anaplastic )oligodendro",
        "diameter",
        18.0,
        25.0,
        "untreated low-grade gliomas widen by 5.8 +- 6.3 mm a year (n = 407, PMC3635513)",
        stable_within=0.40,
    ),
    GrowthBand(
        "a high-grade glioma",
        "the tumour",
        r"glioblastoma|\bgbm\b|high.?grade|\bhgg\b|anaplastic|glioma",
        "doubling",
        10.0,
        5.0,
        "untreated glioblastoma doubles in 21 to 50 days (medians of 95 and of 106 patients, "
        "Cancer 2016;122:1718)",
        stable_within=0.40,
    ),
    GrowthBand(
        "a meningioma",
        "the meningioma",
        r"meningioma",
        "doubling",
        365.0,
        182.0,
        "meningiomas double in 1.3 to 144 years (Nakamura et al. 2003)",
    ),
    GrowthBand(
        "a multiple sclerosis lesion",
        "the lesion",
        r"multiple.?sclerosis|\bms\b",
        "diameter",
        182.0,
        365.0,
        "a new lesion peaks within about 4 weeks and then shrinks (Ann Neurol 1989;25:43); the "
        "limit, a radius of 0.5 mm a day, is an engineering default",
        shrinks=True,
    ),
)
ANY_LESION = GrowthBand(
    "any lesion",
    "the lesion",
    "",
    "doubling",
    10.0,
    5.0,
    "the fastest tumours known double in 10 days or more (engineering default, as the pathology is "
    "unknown)",
    least_ratio=0.0,
)


def growth_band(pathology: str | None) -> GrowthBand:
    """The band of a pathology as people write it; a wide one for an unknown pathology."""
    text = (pathology or "").lower().replace("_", " ")
    return next((band for band in GROWTH_BANDS if re.search(band.pattern, text)), ANY_LESION)


def sphere_diameter(volume: float) -> float:
    """Diameter in mm of a sphere of a volume in ml."""
    return math.cbrt(6000.0 * volume / math.pi)


def growth_rate(first: float, log_ratio: float, *, days: float, band: GrowthBand) -> float:
    """Growth of a volume (ml) by `log_ratio`: doublings a day, or mm of diameter a year."""
    if band.kind == "doubling":
        return log_ratio / math.log(2) / days
    return sphere_diameter(first) * (math.exp(log_ratio / 3) - 1) / (days / DAYS_PER_YEAR)


def log_ratio_at_rate(first: float, rate: float, *, days: float, band: GrowthBand) -> float:
    """ln(V2/V1) of a volume (ml) that grows at a rate in the band's unit; undoes `growth_rate`."""
    if band.kind == "doubling":
        return math.log(2) * days * rate
    return 3 * math.log(1 + rate * days / DAYS_PER_YEAR / sphere_diameter(first))


def rate_limits(band: GrowthBand) -> tuple[float, float]:
    """The fastest published growth and the limit, both in the band's unit."""
    if band.kind == "doubling":
        return 1 / band.edge, 1 / band.limit
    return band.edge, band.limit
