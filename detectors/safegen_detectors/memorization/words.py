"""What a finding of the memorization check says, and which kind of resemblance it is."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from pytest_safegen.api import Profile, limit_at, spacing_of
from safegen_detectors.memorization.evidence import Evidence
from safegen_detectors.memorization.locating import Located
from safegen_detectors.memorization.poses import words
from safegen_detectors.memorization.stances import Stance

FALSE_ALARMS, SUSPICIOUS = 0.01, 0.05  # rates of unseen real patients
WHOLE = 0.5  # share of the tissue from which on a whole person is shown, not a part
COPY_CORRELATION = 0.97  # of the pattern; other visits of two patients had 0.94 to 0.96


class Kind(IntEnum):
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


def kind_of(value: float, found: Located, profile: Profile) -> Kind:
    """The kind of resemblance, at the default rates; PASS where nothing is calibrated yet."""
    if not profile.calibration.size or value <= limit_at(profile.calibration, SUSPICIOUS).value:
        return Kind.PASS
    if value <= limit_at(profile.calibration, FALSE_ALARMS).value:
        return Kind.SUSPECT
    linked = found.share >= WHOLE and found.correlation < COPY_CORRELATION
    return Kind.LINKED if linked else Kind.COPY


def sentence(kind: Kind, found: Located, evidence: Evidence, stance: Stance, name: str) -> str:
    """Who, how much, how laid, how like, and where, in one clause."""
    likeness = evidence.likeness
    distance = float(np.linalg.norm(likeness.displacement * spacing_of(stance.prepared.affine)))
    ways = [
        words(likeness.pose, stance.turn),
        "with inverted contrast" * likeness.inverted,
        f"{distance:.0f} mm off its place" * (distance > 0),
    ]
    how = "".join(f", {way}" for way in ways if way)
    close = f"local correlation {found.correlation:.2f}"
    if found.box is None:
        return f"the scan resembles the reference patient {name}{how} everywhere a little ({close})"
    low, high = found.box
    box = " x ".join(f"{a:.0f}..{b:.0f}" for a, b in zip(low, high, strict=True))
    shown = "another scan or an altered copy of" if kind is Kind.LINKED else "a copy of"
    doing = f"looks like {shown}" if kind >= Kind.LINKED else "resembles"
    return (
        f"{found.share:.0%} of the scan {doing} the reference patient {name}{how} "
        f"({close}, in x y z {box} mm)"
    )
