"""Headlines and messages of the check: what is abnormal, where, and which fault it resembles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch

from safegen_detectors.anomaly.reference.normalized import NormalizedSample, feature_names
from safegen_detectors.explain.region import Region, describe_region, describe_volume

HEADLINE_LENGTH = 90
GROUP_LENGTH = 30  # a plug-in's fault group with a longer name is not repeated in headlines

FAULT_TYPES: Mapping[str, tuple[str, str]] = {
    "blur": ("Blurred region", "blurred tissue"),
    "ct": ("Ring, streak or metal artefact", "a ring, streak or metal artefact"),
    "dropout": ("Missing tissue", "missing tissue"),
    "foreign": ("Tissue from elsewhere", "tissue from elsewhere"),
    "intensity": ("Abnormal brightness or contrast", "abnormal brightness or contrast"),
    "kspace": ("K-space artefact", "a k-space artefact"),
    "noise": ("Noise-like region", "noise"),
    "pattern": ("Regular pattern", "a regular pattern"),
    "resolution": ("Blocky or stepped region", "coarse blocks or steps"),
    "seam": ("Seam", "a seam"),
    "sharpen": ("Over-sharpened region", "over-sharpened tissue"),
    "slice": ("Missing or repeated slices", "missing or repeated slices"),
    "structure": ("Repeated or deformed structure", "repeated or deformed structure"),
    "warp": ("Warped anatomy", "warped anatomy"),
}
"""Each group of the fault bank: as a headline begins, and as the object of "resembles"."""

ABNORMAL_REGION = "Abnormal region"
UNLIKE_REAL_SCANS = "unlike real scans"

BLURRED, NOISY = " blurred", " noisy or over-sharpened"
PATTERN, SLICES = ": regular pattern", ": irregular slices"
APPEARANCES: Sequence[tuple[str, str, str]] = (
    ("grey value", ": abnormal grey values", ": abnormal grey values"),
    ("spread of grey", ": low contrast", ": high contrast"),
    ("brightness of the background", ": dark background", ": bright background"),
    ("brightest background", ": dark background", ": bright background"),
    ("scale", ": abnormal size", ": abnormal size"),
    ("volume", ": abnormal size", ": abnormal size"),
    ("shear", ": sheared", ": sheared"),
    ("likeness", ": abnormal anatomy or position", ": unusually average anatomy"),
    ("outline", ": abnormal anatomy or position", ": unusually average anatomy"),
    ("symmetry", ": abnormally asymmetric", ": abnormally symmetric"),
    ("mean fine texture", BLURRED, NOISY),
    ("mean coarse texture", BLURRED, NOISY),
    ("mean edges", BLURRED, NOISY),
    ("mean coarse edges", BLURRED, NOISY),
    ("mean steps", BLURRED, NOISY),
    ("mean checkerboard", BLURRED, NOISY),
    ("mean voxel-to-voxel", BLURRED, NOISY),
    ("mean contrast", ": low contrast", ": high contrast"),
    ("mean", ": abnormal grey values", ": abnormal grey values"),
    ("power of large structures", ": low contrast", ": high contrast"),
    ("power at scale", BLURRED, NOISY),
    ("fine waves", BLURRED, NOISY),
    ("voxel-to-voxel waves", BLURRED, PATTERN),
    ("strongest single waves", PATTERN, PATTERN),
    ("strong single waves", PATTERN, PATTERN),
    ("raised single waves", PATTERN, PATTERN),
    ("weak single waves", PATTERN, PATTERN),
    ("brightness steps", SLICES, SLICES),
    ("largest brightness step", SLICES, SLICES),
    ("every other", SLICES, SLICES),
    ("smallest change", ": repeated slices", SLICES),
    ("largest change", SLICES, ": missing slices"),
    ("change to the next slice", BLURRED, NOISY),
    ("roughness across slices", BLURRED, NOISY),
    ("variation of", ": overly uniform texture", ": uneven texture"),
)
"""How a headline on the whole scan ends, by how a measure's name begins: too low, too high."""

LEFT_AGAINST_RIGHT = "left against right"

MEASURES_THAT_VOTE = 10
MEASURES_NAMED = 3


def local_headline(region: Region | None, group: str | None) -> str:
    """On a region: "Noise-like region, 9 ml, right anterior", at most 90 characters."""
    what = _fault_headline(group)
    if region is None:
        return what
    return f"{what}, {describe_volume(region.volume_ml)}, {region.part}"


def local_message(region: Region, group: str | None, feature: str) -> str:
    """On a region: its volume and place, what it resembles, and its most abnormal feature."""
    what = f"resembles {_fault_label(group)}" if group else f"looks {UNLIKE_REAL_SCANS}"
    return f"a region of {describe_region(region)}, {what}{feature and f', with {feature}'}"


def global_headline(deviations: Mapping[str, float]) -> str:
    """On the whole scan: "Whole scan blurred", by a vote of its most abnormal measures."""
    votes: dict[str, float] = defaultdict(float)
    for name, deviation in _largest(deviations, MEASURES_THAT_VOTE):
        votes[_appearance(name, deviation)] += abs(deviation)
    return f"Whole scan{max(votes, key=lambda ending: votes[ending])}"


def global_message(deviations: Mapping[str, float], region: Region | None) -> str:
    """On the whole scan: its most abnormal measures, and the region that departs most, if any."""
    named = [f"{_level(value)} {name}" for name, value in _largest(deviations, MEASURES_NAMED)]
    *first, last = named
    listed = f"{', '.join(first)} and {last}" if first else last
    where = f", most strongly in {describe_region(region)}" if region else ""
    return f"the whole scan is {UNLIKE_REAL_SCANS}, with {listed}{where}"


def unusual_feature(normalized: NormalizedSample, where: torch.Tensor) -> str:
    """The feature that departs most at a place (bool): "unusually low edges"."""
    inside = normalized.standardized[:, where].mean(1)
    worst = int(inside.abs().argmax())
    name = feature_names(normalized.reference)[worst]
    return f"unusually {_level(float(inside[worst]))} {name}"


def _level(deviation: float) -> str:
    return "high" if deviation > 0 else "low"


def _largest(deviations: Mapping[str, float], count: int) -> list[tuple[str, float]]:
    return sorted(deviations.items(), key=lambda item: -abs(item[1]))[:count]


def _appearance(name: str, deviation: float) -> str:
    if name.endswith(LEFT_AGAINST_RIGHT):
        return ": left and right differ"
    for start, low, high in APPEARANCES:
        if name.startswith(start):
            return high if deviation > 0 else low
    return f" {UNLIKE_REAL_SCANS}"


def _fault_headline(group: str | None) -> str:
    if group is None or len(group) > GROUP_LENGTH:
        return ABNORMAL_REGION
    if group in FAULT_TYPES:
        return FAULT_TYPES[group][0]
    return f"{ABNORMAL_REGION} ({group})"


def _fault_label(group: str) -> str:
    return FAULT_TYPES[group][1] if group in FAULT_TYPES else group
