"""Tiny scans, a reader that makes them up, and detectors that measure next to nothing."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pytest_safegen.core.scan import Scan, ScanRef
from pytest_safegen.core.score import Fitted, Measure, Profile, Rule, Score
from pytest_safegen.core.targets import ScanTarget, Scope
from pytest_safegen.prepare.options import PrepareOptions
from pytest_safegen.prepare.template import Template
from pytest_safegen.profiles.model import Bundle, ProfileSet

OPTIONS = PrepareOptions(4.0, "mr", "centre")


def mean_of(target: ScanTarget) -> Score:
    assert target.scan is not None
    return Score(float(target.scan.voxels.mean()), (Measure("size", 1.0),))


@dataclass(frozen=True)
class StandIn:
    """A detector that remembers what it was given."""

    name: str = "stand-in"
    version: str = "1"
    scope: Scope = Scope.SCAN
    needs_profile: bool = False
    rules: Mapping[str, Rule] = field(default_factory=lambda: {"score": Rule(fail_above=10.0)})
    measure: Callable[[Any], Score] = mean_of
    fitted_on: list[list[str]] = field(default_factory=list, repr=False, compare=False)
    scored: list[list[str]] = field(default_factory=list, repr=False, compare=False)

    def fit(self, reference: Iterable[ScanTarget], *, seed: int) -> Fitted:
        subjects = [target.ref.subject for target in reference]
        self.fitted_on.append(subjects)
        return Fitted({"seed": np.array([seed])}, {"subjects": subjects})

    def open(self, profile: Profile | None, *, device: str) -> OpenStandIn:
        kind = ExplainingStandIn if hasattr(self, "explain") else OpenStandIn
        return kind(self, profile, device)

    def score(
        self, targets: Sequence[Any], profile: Profile | None, *, device: str
    ) -> Sequence[Score]:
        del profile, device
        names = [getattr(getattr(target, "ref", None), "target", "") for target in targets]
        self.scored.append(names)
        return [self.measure(target) for target in targets]


@dataclass(frozen=True)
class OpenStandIn:
    """A stand-in with a profile at hand."""

    detector: Any
    profile: Profile | None
    device: str

    def score(self, targets: Sequence[Any]) -> Sequence[Score]:
        scores: Sequence[Score] = self.detector.score(targets, self.profile, device=self.device)
        return scores


class ExplainingStandIn(OpenStandIn):
    """One whose detector explains."""

    def explain(self, target: Any, score: Score) -> Any:
        return self.detector.explain(target, self.profile, score, device=self.device)


class StubReader:
    """Stands in for the reader of files: a scan whose mean is the subject's number.

    `broken` maps a session, or a subject without one, to what reading it raises.
    """

    def __init__(self) -> None:
        self.read: list[str] = []
        self.broken: dict[str, Exception] = {}
        self.alive = 0
        self.most_alive = 0
        self._lock = threading.Lock()

    def __call__(self, ref: ScanRef) -> Scan:
        with self._lock:
            self.read.append(ref.target)
            name = ref.session or ref.subject
            if name in self.broken:
                raise self.broken[name]
            values = np.random.default_rng(0).random((8, 8, 8)) + float(ref.subject[-2:])
            scan = replace(scan_of(values, affine=np.diag([4.0, 4, 4, 1])), ref=ref)
            self.alive += 1
            weakref.finalize(scan.voxels, self._dropped)
            self.most_alive = max(self.most_alive, self.alive)
            return scan

    def _dropped(self) -> None:
        self.alive -= 1


def ref_of(subject: str, *, modality: str | None = "T1w", session: str | None = None) -> ScanRef:
    path = Path(subject, session or "", f"{subject}.nii.gz")
    return ScanRef(path.as_posix(), subject, session, modality, path)


def scan_of(
    values: Any, *, affine: Any = None, modality: str | None = "T1w", subject: str = "sub-01"
) -> Scan:
    grid = np.eye(4) if affine is None else np.asarray(affine, dtype=np.float64)
    return Scan(ref_of(subject, modality=modality), np.asarray(values, np.float32), grid)


def template_4mm(shape: tuple[int, int, int] = (6, 6, 6)) -> Template:
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    return Template(values, np.ones(shape, np.float32), np.diag([4.0, 4.0, 4.0, 1.0]), OPTIONS)


def profile_of(name: str = "stand-in", *, scores: Sequence[float] = (1.0, 2.0, 3.0)) -> Profile:
    arrays = {"mean": np.arange(4, dtype=np.float32)}
    facts = {"version": "1", "words": ["a"]}
    return Profile(name, "d", arrays, facts, np.array(scores, float), "held-out patients", 12)


def set_of(*profiles: Profile, modality: str = "T1w") -> ProfileSet:
    bundle = Bundle(template_4mm(), {profile.detector: profile for profile in profiles})
    return ProfileSet("d", {modality: bundle}, {})


def raising(problem: Exception) -> Callable[[Any], Score]:
    def measure(target: Any) -> Score:
        raise problem

    return measure


def giving(score: Any) -> Callable[[Any], Score]:
    return lambda _: score
