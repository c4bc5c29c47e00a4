"""Detectors at work: opened once with each profile, alone or in batches on an accelerator."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_safegen.config.hookspecs import Detector, Scorer
from pytest_safegen.core.score import Profile, Score
from pytest_safegen.core.targets import ScanTarget, Target

BATCH_ON_ACCELERATOR = 4

Key = tuple[str, int]


class Scorers:
    """Opens each detector once with each profile, and scores with it.

    What a detector raises while it scores is returned: a stranger's code may raise anything, and
    one scan must not stop the others.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._open: dict[Key, Scorer | Exception] = {}
        self._in_advance: dict[Key, dict[str, Score]] = {}

    def open(self, detector: Detector, profile: Profile | None) -> Scorer:
        """The detector with its profile; raises whatever its `open` raised."""
        key = _key(detector, profile)
        if key not in self._open:
            try:
                self._open[key] = detector.open(profile, device=self._device)
            except Exception as problem:  # noqa: BLE001  raised below, each time it is asked for
                self._open[key] = problem
        scorer = self._open[key]
        if isinstance(scorer, Exception):
            # Without the frames of earlier calls, which hold the scans that were scored there.
            raise scorer.with_traceback(None)
        return scorer

    def score(
        self, detector: Detector, profile: Profile | None, target: Target
    ) -> Score | Exception:
        """The score of one target, or what the detector raised."""
        try:
            (score,) = self.open(detector, profile).score([target])
        except Exception as problem:  # noqa: BLE001  see the class
            return problem.with_traceback(None)
        return score

    def score_scan(
        self,
        detector: Detector,
        profile: Profile | None,
        target: ScanTarget,
        upcoming: Callable[[], Sequence[ScanTarget]],
    ) -> Score | Exception:
        """The score of a scan; an accelerator scores some `upcoming` ones in the same batch.

        `upcoming` gives scans that are ready for this detector and this profile.
        """
        name = target.ref.target
        in_advance = self._in_advance.setdefault(_key(detector, profile), {})
        if name not in in_advance and self._device != "cpu":
            self._score_batch(detector, profile, target, upcoming())
        if name in in_advance:
            return in_advance.pop(name)
        return self.score(detector, profile, target)

    def _score_batch(
        self,
        detector: Detector,
        profile: Profile | None,
        target: ScanTarget,
        upcoming: Sequence[ScanTarget],
    ) -> None:
        """Score in advance, and forget scores of scans that are no longer expected."""
        in_advance = self._in_advance[_key(detector, profile)]
        expected = {other.ref.target for other in upcoming}
        for name in set(in_advance) - expected:
            del in_advance[name]
        waiting = [other for other in upcoming if other.ref.target not in in_advance]
        batch = [target, *waiting][:BATCH_ON_ACCELERATOR]
        try:
            scores = list(self.open(detector, profile).score(batch))
            scored = dict(zip((item.ref.target for item in batch), scores, strict=True))
        except Exception:  # noqa: BLE001  then each is scored alone, and its problem is its own
            return
        in_advance |= scored


def _key(detector: Detector, profile: Profile | None) -> Key:
    return detector.name, id(profile)
