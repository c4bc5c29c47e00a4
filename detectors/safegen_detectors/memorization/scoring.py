"""Score one prepared scan against the index of reference persons."""

from __future__ import annotations

from pytest_safegen.api import (
    Heatmap,
    Measure,
    NotJudged,
    Prepared,
    Profile,
    ScanTarget,
    Score,
    limit_at,
    to_scan_grid,
)
from safegen_detectors.memorization.anywhere import compared
from safegen_detectors.memorization.calibrating import typical_of
from safegen_detectors.memorization.evidence import Evidence, strongest
from safegen_detectors.memorization.index import Index
from safegen_detectors.memorization.locating import Located, located
from safegen_detectors.memorization.patterns import pattern
from safegen_detectors.memorization.stances import stance_of
from safegen_detectors.memorization.words import FALSE_ALARMS, Kind, kind_of, sentence

FEWEST_COVERED = 0.5  # share of the blocks that a scan must show for a PASS
TYPICAL_ENOUGH = 0.75  # of the lowest usual likeness that a real scan has to its nearest person
MEANING = "how much nearer to this patient than to any other"


def score(target: ScanTarget, profile: Profile, *, index: Index) -> Score:
    """The score of one scan: evidence for one patient, who, how much of it, and where.

    Raises:
        NotJudged: the scan is not prepared, or so unlike the reference that a pass means nothing.
    """
    if target.scan is None:
        raise NotJudged(target.unprepared or "the scan is not prepared")
    stance = stance_of(target, index.template)
    volume = pattern(stance.prepared)
    found = compared(volume, index)
    evidence = strongest(found, index, profile.facts["scale"])
    value = evidence.value(profile.facts["scale"])
    covered = float(index.describer.lattice.covered(stance.prepared.body).mean())
    typical = typical_of(found)
    _refuse_unearned_pass(value, covered, typical, profile)
    where = located(volume, stance.prepared, evidence, index)
    kind = kind_of(value, where, profile)
    name = index.names[evidence.person]
    return Score(
        value=value,
        measures=_measures(kind, where, evidence, covered, typical),
        heatmap=_heatmap(target, stance.prepared, where),
        nearest=name,
        says=sentence(kind, where, evidence, stance, name),
    )


def _refuse_unearned_pass(value: float, covered: float, typical: float, profile: Profile) -> None:
    """What shows something else than the reference resembles nobody, which proves nothing."""
    if not profile.calibration.size or value > limit_at(profile.calibration, FALSE_ALARMS).value:
        return
    if covered < FEWEST_COVERED:
        raise NotJudged(
            f"the scan shows {covered:.0%} of the tissue that the reference scans share, and a "
            f"pass needs {FEWEST_COVERED:.0%}: judge it with a reference of its own field of view"
        )
    least = TYPICAL_ENOUGH * float(profile.facts["typical"])
    if typical < least:
        raise NotJudged(
            f"the scan looks like nobody in the reference (usual local likeness {typical:.2f}, "
            f"real scans have {profile.facts['typical']:.2f} or more), so it cannot be told whose "
            "it is: is it of another modality or body part, or badly spoiled?"
        )


def _measures(
    kind: Kind, where: Located, evidence: Evidence, covered: float, typical: float
) -> tuple[Measure, ...]:
    here, around, everywhere, anywhere = evidence.strengths
    return (
        Measure("kind", float(kind), unit=kind.name, says=f"the scan is {kind.meaning}"),
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


def _heatmap(target: ScanTarget, prepared: Prepared, where: Located) -> Heatmap | None:
    if target.scan is None:
        return None
    native = to_scan_grid(where.map, prepared, target.scan)
    return Heatmap(native, target.scan.affine, MEANING)
