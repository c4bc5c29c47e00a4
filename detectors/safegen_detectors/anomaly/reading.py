"""Read a sample by methods that have learned, from the arrays and facts of a profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from pytest_safegen.api import Profile
from safegen_detectors.anomaly import ground as grounds
from safegen_detectors.anomaly.crossfit import under
from safegen_detectors.anomaly.fusion import Statistics
from safegen_detectors.anomaly.model import Ground, Learned, Method, Reading
from safegen_detectors.anomaly.view import View

GROUND = "ground"


def read(view: View, methods: Sequence[Method], profile: Profile) -> dict[str, Reading]:
    """What each method sees in one sample."""
    return {method.name: method.read(view, learned_of(profile, method.name)) for method in methods}


def joined_statistics(by_method: Mapping[str, Statistics]) -> dict[str, float]:
    """The statistics of all methods, as "<method>.<statistic>"."""
    return {
        f"{method}.{name}": value
        for method, statistics in by_method.items()
        for name, value in statistics.items()
    }


def ground_of(profile: Profile) -> Ground:
    """The ground in a profile."""
    return grounds.ground_from(under(profile.arrays, GROUND), profile.facts[GROUND])


def learned_of(profile: Profile, method: str) -> Learned:
    """What one method left in a profile."""
    arrays: Mapping[str, NDArray[Any]] = under(profile.arrays, method)
    return Learned(arrays, profile.facts["methods"][method])
