"""What a score says: headlines of at most 90 characters, and clauses with the region in mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pytest_safegen.api import Measure, spacing_of
from safegen_detectors.memorization.copied_region import CopiedRegion
from safegen_detectors.memorization.match_kind import MatchKind
from safegen_detectors.memorization.search.margins import Margins
from safegen_detectors.memorization.search.orientation import OrientedScan
from safegen_detectors.memorization.search.poses import describe_pose

LONGEST_NAME = 32
"""Characters of a patient's name in a headline; persons with several names have long ones."""

CLAIMS = {
    MatchKind.PASS: "resembles {patient}",
    MatchKind.SUSPECT: "resembles {patient} more than unseen patients usually do",
    MatchKind.LINKED: "shows the same person as {patient}, in another scan or in an altered copy",
    MatchKind.COPY: "is a copy of {patient}",
}


@dataclass(frozen=True, slots=True)
class Match:
    """The training patient that a scan resembles most: who, in which region, and how it lies."""

    kind: MatchKind
    name: str
    region: CopiedRegion
    margins: Margins
    oriented: OrientedScan

    @property
    def patient(self) -> str:
        """The patient in a sentence."""
        return f"training patient {self.name}"

    @property
    def short_patient(self) -> str:
        """The patient in a headline."""
        long = len(self.name) > LONGEST_NAME
        return f"training patient {self.name[: LONGEST_NAME - 1] + '…' if long else self.name}"


def headline(match: Match) -> str:
    """The match as a radiologist would say it."""
    patient = match.short_patient
    if match.kind is MatchKind.LINKED:
        return f"Probably the same person as {patient}"
    if match.kind is MatchKind.SUSPECT:
        return f"Unusually similar to {patient}"
    if match.kind is MatchKind.PASS:
        return f"Most similar to {patient}"
    if match.region.box is None:
        return f"Faint copy of {patient}"
    return f"Copy of {patient} ({percent(match.region.share)} of the scan)"


def message(match: Match, *, patient: str = "") -> str:
    """Who, how much, how it lies and where, as a clause; `patient` stands for the usual phrase."""
    patient = patient or match.patient
    changes = "".join(f", {text}" for text in _changes(match))
    if match.region.box is None:
        return f"the scan resembles {patient} a little everywhere{changes}"
    low, high = match.region.box
    ranges = ", ".join(
        f"{axis} {a:.0f} to {b:.0f}" for axis, a, b in zip("xyz", low, high, strict=True)
    )
    claim = CLAIMS[match.kind].format(patient=patient)
    return f"{percent(match.region.share)} of the scan {claim}{changes}, within {ranges} mm"


def _changes(match: Match) -> list[str]:
    """How the copy differs: mirrored, inverted, displaced; empty if it lies as the original."""
    likeness = match.margins.likeness
    spacing = spacing_of(match.oriented.prepared.affine)
    distance = float(np.linalg.norm(likeness.displacement * spacing))
    changes = (
        describe_pose(likeness.pose, match.oriented.rotation),
        "with inverted contrast" if likeness.inverted else "",
        f"displaced by {distance:.0f} mm" if distance > 0 else "",
    )
    return [change for change in changes if change]


def measures_of(match: Match, covered: float, typical: float) -> tuple[Measure, ...]:
    """The numbers behind a score, each with what it means if a limit is set on it.

    `covered` is the share of the reference's tissue in the scan, `typical` the likeness of a usual
    block to its nearest person.
    """
    seen = f"{percent(covered)} of the tissue shared by the reference scans"
    unlike = "unlike everybody in the reference"
    return (
        Measure("kind", float(match.kind), match.kind.name, message(match), headline(match)),
        *_region_measures(match),
        *_margin_measures(match),
        *_pose_measures(match),
        Measure("covered", covered, "", f"the scan shows {seen}", f"Shows {seen}"),
        Measure("usual_likeness", typical, "", f"the scan looks {unlike}", f"Looks {unlike}"),
    )


def _region_measures(match: Match) -> tuple[Measure, ...]:
    region, patient, short = match.region, match.patient, match.short_patient
    share = f"{percent(region.share)} of the scan"
    return (
        Measure(
            "copied_share",
            region.share,
            message=f"{share} is copied from {patient}",
            headline=f"{share} copied from {short}",
        ),
        Measure(
            "local_correlation",
            region.correlation,
            message=f"the tissue is locally correlated with {patient}",
            headline=f"Tissue correlated with {short}",
        ),
    )


def _margin_measures(match: Match) -> tuple[Measure, ...]:
    places = {
        "here": "in one place",
        "around": "in one region",
        "everywhere": "over the whole scan",
        "anywhere": "where the crop fits best",
    }
    return tuple(
        Measure(
            f"margin_{name}",
            strength,
            "sd",
            f"{where} the scan resembles {match.patient} far more than anybody else",
            f"Resembles only {match.short_patient} {where}",
        )
        for (name, where), strength in zip(places.items(), match.margins.strengths, strict=True)
    )


def _pose_measures(match: Match) -> tuple[Measure, ...]:
    likeness, patient, short = match.margins.likeness, match.patient, match.short_patient
    return (
        Measure(
            "mirrored",
            float(likeness.pose.is_mirrored),
            message=f"the scan resembles {patient} in mirror image",
            headline=f"Mirror image of {short}",
        ),
        Measure(
            "inverted",
            float(likeness.inverted),
            message=f"the scan resembles {patient} with inverted contrast",
            headline=f"Inverted contrast of {short}",
        ),
    )


def percent(share: float) -> str:
    """A share in percent; one that is not 0 is never shown as 0.

    >>> percent(0.72), percent(0.001), percent(0.0)
    ('72 %', 'under 1 %', '0 %')
    """
    return "under 1 %" if 0 < share < 0.005 else f"{share:.0%}".replace("%", " %")
