"""Score one prepared scan: which patient it shows, how much of it, where, and what to say.

`score` searches the index, `locate` maps what is copied, `classify` and `message` word it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_safegen.api import (
    Heatmap,
    Measure,
    NotJudged,
    Prepared,
    Profile,
    ScanTarget,
    Score,
    limit_at,
    spacing_of,
    to_scan_grid,
)
from safegen_detectors.memorization.features.descriptors import unit_length
from safegen_detectors.memorization.features.lattice import REACH, average_over_blocks
from safegen_detectors.memorization.features.pattern import Volume, displace, identity_pattern
from safegen_detectors.memorization.search.index import Index
from safegen_detectors.memorization.search.margins import Margins, strongest_margins
from safegen_detectors.memorization.search.match import PoseSearch, typical_likeness
from safegen_detectors.memorization.search.orientation import OrientedScan, orient
from safegen_detectors.memorization.search.poses import describe_pose
from safegen_detectors.memorization.search.translation import all_likenesses

LEAST_COVERED = 0.5  # share of the blocks that a scan must show for a PASS
LEAST_TYPICAL = 0.75  # of the lowest typical likeness of a real scan to its nearest person
HEATMAP_MEANING = "how much nearer to this patient than to any other"

FEWEST_COMPARED = 8  # blocks of which the local correlation is told where nothing is copied
COPIED_MARGIN = 0.5  # standard deviations above the best other person: copied from here on

FALSE_ALARM_RATE, SUSPECT_RATE = 0.01, 0.05  # rates of unseen real patients
WHOLE_SHARE = 0.5  # share of the tissue from which on a whole person is shown, not a part
COPY_CORRELATION = 0.97  # of the pattern; other visits of two patients had 0.94 to 0.96


def score(target: ScanTarget, profile: Profile, *, index: Index) -> Score:
    """The score of one scan: evidence for one patient, who, how much of it, and where.

    Raises:
        NotJudged: the scan is not prepared, or so unlike the reference that a pass means nothing.
    """
    if target.scan is None:
        raise NotJudged(target.unprepared or "the scan is not prepared")
    stance = orient(target, index.template)
    volume = identity_pattern(stance.prepared)
    found = all_likenesses(volume, index)
    evidence = strongest_margins(found, index, profile.facts["scale"])
    value = evidence.value(profile.facts["scale"])
    covered = float(index.describer.lattice.covered(stance.prepared.body).mean())
    typical = typical_likeness(found)
    _refuse_unsupported_pass(value, covered, typical, profile)
    where = locate(volume, stance.prepared, evidence, index)
    kind = classify(value, where, profile)
    name = index.names[evidence.person]
    return Score(
        value=value,
        measures=_measures(kind, where, evidence, covered, typical),
        heatmap=_heatmap(target, stance.prepared, where),
        nearest=name,
        message=write_message(kind, where, evidence, stance, name),
    )


def _refuse_unsupported_pass(
    value: float, covered: float, typical: float, profile: Profile
) -> None:
    """What shows something else than the reference resembles nobody, which proves nothing."""
    if (
        not profile.calibration.size
        or value > limit_at(profile.calibration, FALSE_ALARM_RATE).value
    ):
        return
    if covered < LEAST_COVERED:
        raise NotJudged(
            f"the scan shows {covered:.0%} of the tissue that the reference scans share, and a "
            f"pass needs {LEAST_COVERED:.0%}: judge it with a reference of its own field of view"
        )
    least = LEAST_TYPICAL * float(profile.facts["typical"])
    if typical < least:
        raise NotJudged(
            f"the scan looks like nobody in the reference (usual local likeness {typical:.2f}, "
            f"real scans have {profile.facts['typical']:.2f} or more), so it cannot be told whose "
            "it is: is it of another modality or body part, or badly spoiled?"
        )


def _measures(
    kind: MatchKind, where: CopiedRegion, evidence: Margins, covered: float, typical: float
) -> tuple[Measure, ...]:
    here, around, everywhere, anywhere = evidence.strengths
    return (
        Measure("kind", float(kind), unit=kind.name, message=f"the scan is {kind.meaning}"),
        Measure("copied_share", where.share),
        Measure("local_correlation", where.correlation),
        Measure("margin_here", here, unit="sd"),
        Measure("margin_around", around, unit="sd"),
        Measure("margin_everywhere", everywhere, unit="sd"),
        Measure("margin_anywhere", anywhere, unit="sd"),
        Measure("mirrored", float(evidence.likeness.pose.mirrors)),
        Measure("inverted", float(evidence.likeness.inverted)),
        Measure("covered", covered),
        Measure("usual_likeness", typical),
    )


def _heatmap(target: ScanTarget, prepared: Prepared, where: CopiedRegion) -> Heatmap | None:
    if target.scan is None:
        return None
    native = to_scan_grid(where.map, prepared, target.scan)
    return Heatmap(native, target.scan.affine, HEATMAP_MEANING)


@dataclass(frozen=True, slots=True)
class CopiedRegion:
    """Where one person stands out.

    `map` (i, j, k) on the prepared grid, 1.0 at COPIED_MARGIN; `share` of the judged tissue at or
    above it; `correlation` of the pattern there, at the best place within reach; `box` the lowest
    and the highest corner in mm of the scan, None where nothing is copied.
    """

    map: Volume
    share: float
    correlation: float
    box: tuple[NDArray[np.float64], NDArray[np.float64]] | None


def locate(volume: Volume, prepared: Prepared, evidence: Margins, index: Index) -> CopiedRegion:
    """Where and how well a scan with that pattern shows the person that the evidence names."""
    lattice, shape = index.describer.lattice, prepared.voxels.shape
    moved = evidence.likeness.displacement
    back = (-moved[0], -moved[1], -moved[2])
    volume, body = displace(volume, moved), displace(prepared.body, moved)
    look = PoseSearch.of(evidence.likeness.pose, lattice, far=evidence.likeness.far)
    leads = copied_margins(evidence)[look.rows.numpy()]
    heat = average_over_blocks(leads, lattice, shape) / COPIED_MARGIN * body
    judged = average_over_blocks(np.ones(len(leads)), lattice, shape) * body > 0
    copied = heat >= 1
    where = np.flatnonzero(leads >= min(COPIED_MARGIN, np.sort(leads)[-FEWEST_COMPARED:][0]))
    correlations = _local_correlations(volume, evidence, look, where, index)
    return CopiedRegion(
        displace(heat, back).astype(np.float32),
        float(copied.sum() / max(judged.sum(), 1)),
        float(correlations.median()),
        _box_mm(prepared, displace(copied, back)) if copied.any() else None,
    )


def copied_margins(evidence: Margins) -> NDArray[np.float64]:
    """How far the person leads at each block of the reference: alone and with its neighbours."""
    own, around = (part.clamp(min=0).cpu().double() for part in (evidence.own, evidence.margins))
    return np.asarray(torch.sqrt(own * around).numpy())


def _local_correlations(
    volume: Volume, evidence: Margins, look: PoseSearch, where: NDArray[np.int64], index: Index
) -> torch.Tensor:
    """Pearson's correlation of some blocks with that person, at the best place within reach.

    It is that of the frequencies which the descriptors hold, not whitened.
    """
    describer = index.describer
    scans = torch.from_numpy(np.flatnonzero(index.persons == evidence.person)).to(index.device)
    theirs = unit_length(index.descriptors[look.rows[where]][:, scans] / describer.scale)
    own = unit_length(describer.coefficients(volume, reach=REACH, blocks=where))
    low, high = look.extremes(own, theirs)
    return -low.amin(1) if evidence.likeness.inverted else high.amax(1)


def _box_mm(
    prepared: Prepared, copied: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    to_scan = prepared.to_scan @ prepared.affine
    places = np.argwhere(copied) @ to_scan[:3, :3].T + to_scan[:3, 3]
    return places.min(0), places.max(0)


class MatchKind(IntEnum):
    """What a scan is to the reference patient that it resembles most."""

    PASS = 0
    SUSPECT = 1
    LINKED = 2
    COPY = 3

    @property
    def meaning(self) -> str:
        """The kind in a few words."""
        return (
            "like any unseen patient",
            "more like one patient than unseen patients usually are",
            "the same patient, in another scan or in an altered copy",
            "copied",
        )[self]


def classify(value: float, found: CopiedRegion, profile: Profile) -> MatchKind:
    """The kind of resemblance, at the default rates; PASS where nothing is calibrated yet."""
    if not profile.calibration.size or value <= limit_at(profile.calibration, SUSPECT_RATE).value:
        return MatchKind.PASS
    if value <= limit_at(profile.calibration, FALSE_ALARM_RATE).value:
        return MatchKind.SUSPECT
    linked = found.share >= WHOLE_SHARE and found.correlation < COPY_CORRELATION
    return MatchKind.LINKED if linked else MatchKind.COPY


def write_message(
    kind: MatchKind, found: CopiedRegion, evidence: Margins, stance: OrientedScan, name: str
) -> str:
    """Who, how much, how laid, how like, and where, in one clause."""
    likeness = evidence.likeness
    distance = float(np.linalg.norm(likeness.displacement * spacing_of(stance.prepared.affine)))
    ways = [
        describe_pose(likeness.pose, stance.turn),
        "with inverted contrast" * likeness.inverted,
        f"{distance:.0f} mm off its place" * (distance > 0),
    ]
    how = "".join(f", {way}" for way in ways if way)
    close = f"local correlation {found.correlation:.2f}"
    if found.box is None:
        return f"the scan resembles the reference patient {name}{how} everywhere a little ({close})"
    low, high = found.box
    box = " x ".join(f"{a:.0f}..{b:.0f}" for a, b in zip(low, high, strict=True))
    shown = "another scan or an altered copy of" if kind is MatchKind.LINKED else "a copy of"
    doing = f"looks like {shown}" if kind >= MatchKind.LINKED else "resembles"
    return (
        f"{found.share:.0%} of the scan {doing} the reference patient {name}{how} "
        f"({close}, in x y z {box} mm)"
    )
