"""Folders of real scans, and detectors that note what they learned from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from stand_in import StandIn

from pytest_safegen.core.errors import NotJudged
from pytest_safegen.core.scan import Release
from pytest_safegen.core.score import Fitted, Profile, Score
from pytest_safegen.core.targets import ScanTarget
from pytest_safegen.data.discover import discover
from pytest_safegen.profiles.fit import Fitter
from pytest_safegen.profiles.model import ProfileSet

SUBJECTS = [f"sub-{n:02d}" for n in range(12)]
OTHERS = [f"sub-{n:02d}" for n in range(20, 24)]


@dataclass(frozen=True)
class Watching(StandIn):
    """Scores each scan with its subject's number, and remembers what the profile then knew."""

    needs_profile: bool = True
    known: list[tuple[str, list[str]]] = field(default_factory=list, repr=False)
    seeds: list[int] = field(default_factory=list, repr=False)
    targets: list[ScanTarget] = field(default_factory=list, repr=False)
    unjudged: str = ""

    def fit(self, reference: Iterable[ScanTarget], *, seed: int) -> Fitted:
        self.seeds.append(seed)
        self.targets.extend(reference)
        return StandIn.fit(self, reference, seed=seed)

    def score(
        self, targets: Sequence[Any], profile: Profile | None, *, device: str
    ) -> Sequence[Score]:
        assert profile is not None
        assert device == "cpu"
        (target,) = targets
        subject = target.ref.subject
        if subject == self.unjudged:
            raise NotJudged("it is too small")
        self.known.append((subject, sorted(set(profile.facts["subjects"]))))
        return [Score(float(subject[-2:]) + float((target.ref.session or "0")[-1]) / 10)]


@dataclass(frozen=True)
class LeavingOut(Watching):
    """One that is calibrated by leaving out one patient at a time."""

    def without(self, profile: Profile, subject: str) -> Profile:
        kept = [name for name in profile.facts["subjects"] if name != subject]
        return replace(profile, facts={**profile.facts, "subjects": kept})


@dataclass(frozen=True)
class HoldingOut(Watching):
    """One that scores each patient itself while it learns, as if it had not learned from it."""

    shift: float = 100.0

    def fit(self, reference: Iterable[ScanTarget], *, seed: int) -> Fitted:
        fitted = Watching.fit(self, reference, seed=seed)
        held_out = {who: self.shift - float(who[-2:]) for who in fitted.facts["subjects"]}
        return replace(fitted, held_out=held_out)


@dataclass(frozen=True)
class Recalibrating(HoldingOut):
    """One whose scale is set by the holdout."""

    def recalibrate(self, profile: Profile, holdout: Iterable[ScanTarget]) -> Fitted:
        scores = {target.ref.subject: 1000.0 + float(target.ref.subject[-2:]) for target in holdout}
        return Fitted({"scale": np.array([3.0])}, {**profile.facts, "scale": 3.0}, scores)


def write(root: Path, subject: str, *, session: str = "", suffix: str = "T1w") -> Path:
    """A scan that tissue fills to its border, so that no registration is needed."""
    random = np.random.default_rng(int(subject[-2:]))
    values = (100 + 10 * random.normal(size=(12, 12, 12))).astype(np.float32)
    parts = [subject, f"ses-{session}"] if session else [subject]
    path = root.joinpath(*parts) / "anat" / f"{'_'.join([*parts, suffix])}.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, np.diag([2.0, 2, 2, 1])), path)
    return path


def cohort(root: Path, subjects: Iterable[str]) -> Path:
    for subject in subjects:
        write(root, subject)
    return root


def fit(detector: Any, *roots: Path, holdout: Sequence[Path] = (), **asked: Any) -> ProfileSet:
    releases: list[Release] = [discover(root) for root in roots]
    fitter = Fitter({detector.name: detector}, **asked)
    return fitter.fit(releases, [discover(root) for root in holdout])


def profile(profiles: ProfileSet, modality: str = "T1w") -> Profile:
    return profiles.bundles[modality].profiles["stand-in"]


def calibrated_on(detector: Watching) -> Mapping[str, list[str]]:
    return dict(detector.known)
