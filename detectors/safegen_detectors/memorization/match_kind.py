"""What a scan is to the training patient it resembles most: a copy, the same person, or neither."""

from __future__ import annotations

from enum import IntEnum

from pytest_safegen.api import Profile, limit_at
from safegen_detectors.memorization.copied_region import CopiedRegion

FALSE_ALARM_RATE, SUSPECT_RATE = 0.01, 0.05  # rates of unseen real patients
WHOLE_SHARE = 0.5  # share of the tissue from which on a whole person is shown, not a part
COPY_CORRELATION = 0.97  # of the pattern; other visits of two patients had 0.94 to 0.96


class MatchKind(IntEnum):
    """What a scan is to the training patient that it resembles most."""

    PASS = 0
    SUSPECT = 1
    LINKED = 2
    COPY = 3


def classify(value: float, region: CopiedRegion, profile: Profile) -> MatchKind:
    """The kind of resemblance, at the default rates; PASS where nothing is calibrated yet."""
    if not profile.calibration.size or value <= limit_at(profile.calibration, SUSPECT_RATE).value:
        return MatchKind.PASS
    if value <= limit_at(profile.calibration, FALSE_ALARM_RATE).value:
        return MatchKind.SUSPECT
    linked = region.share >= WHOLE_SHARE and region.correlation < COPY_CORRELATION
    return MatchKind.LINKED if linked else MatchKind.COPY
