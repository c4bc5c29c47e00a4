"""The index of a run is laid out and controlled once, not once a scan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_safegen.api import NotJudged, Profile

if TYPE_CHECKING:
    from safegen_detectors.memorization.index import Index


@dataclass
class Kept:
    """The index of the profile that was asked for last."""

    _key: tuple[Any, ...] = field(default=(), repr=False)
    _index: Index | None = field(default=None, repr=False)
    _problem: str = ""

    def index(self, profile: Profile, device: str) -> Index:
        """The index of a profile on a device.

        Raises:
            NotJudged: too few persons, or a control that is not judged rightly.
        """
        from safegen_detectors.memorization.controls import problem_with
        from safegen_detectors.memorization.index import index_of

        key = (profile.arrays["descriptors"], profile.calibration, device)
        if self._index is None or not _same(key, self._key):
            index = index_of(profile, device)
            self._key, self._index, self._problem = key, index, problem_with(index, profile)
        if self._problem:
            raise NotJudged(f"the control of this run failed: {self._problem}")
        return self._index


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether both hold the very same objects."""
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))
