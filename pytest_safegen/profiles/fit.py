"""Learn from real scans: reference folder -> prepared cohort -> detectors -> ProfileSet."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import numpy as np

from pytest_safegen.config.hookspecs import Detector, LeavesOut, Recalibrates, Scorer
from pytest_safegen.core.errors import NotJudged, ProfileError, ReadError
from pytest_safegen.core.scan import Prepared, Release, ScanRef
from pytest_safegen.core.score import Profile
from pytest_safegen.core.targets import ScanTarget, Scope
from pytest_safegen.data.table import facts_of
from pytest_safegen.prepare.canonical import canonical
from pytest_safegen.prepare.guess import common_options, guess_options
from pytest_safegen.prepare.options import PrepareOptions
from pytest_safegen.prepare.template import Template, build_template
from pytest_safegen.profiles.cohort import Cohort, Member, folds, hold_out, prepared_member
from pytest_safegen.profiles.digest import fit_digest
from pytest_safegen.profiles.model import ANY_MODALITY, Bundle, ProfileSet
from pytest_safegen.readers import read_scan

FEWEST_SUBJECTS = 10

SUBJECTS_FOR_TEMPLATE = 16

FOLDS = 3

PART = "third"

MOST_LEFT_OUT_ONE_BY_ONE = 200

Progress = Callable[[Sequence[Any], str], Iterable[Any]]


def silent(items: Sequence[Any], label: str) -> Iterable[Any]:  # noqa: ARG001  the quiet Progress
    """A progress display that shows nothing."""
    return items


@dataclass(frozen=True, slots=True)
class Fitter:
    """The options of one fit."""

    detectors: Mapping[str, Detector]
    seed: int = 0
    device: str = "cpu"
    progress: Progress = silent

    def fit(self, reference: Sequence[Release], holdout: Sequence[Release]) -> ProfileSet:
        """Fit and calibrate every detector on real scans, one modality at a time.

        Raises:
            ProfileError: no scan at all, or a patient in both reference and holdout.
        """
        refs, held = _refs(reference), _refs(holdout)
        _refuse_overlap(refs, held)
        bundles: dict[str, Bundle] = {}
        rows: list[ScanTarget] = []
        left_out: list[str] = []
        digest = fit_digest(refs, held, self.detectors, seed=self.seed)
        for modality, group in _by_modality(refs).items():
            also = _by_modality(held).get(modality, [])
            with tempfile.TemporaryDirectory(prefix="safegen-") as folder:
                bundle, targets = self._modality(group, also, Path(folder), left_out, digest)
            bundles[modality] = bundle
            rows += targets
        if not rows:
            raise ProfileError(f"No real scan could be read. {' '.join(left_out[:3])}".strip())
        return ProfileSet(digest, bundles, self._release(rows, digest), tuple(left_out))

    def _modality(
        self,
        refs: Sequence[ScanRef],
        held: Sequence[ScanRef],
        folder: Path,
        left_out: list[str],
        digest: str,
    ) -> tuple[Bundle, list[ScanTarget]]:
        subjects = len({ref.subject for ref in refs})
        if subjects < FEWEST_SUBJECTS:
            rows = [row for ref in refs if (row := _row(ref, left_out)) is not None]
            return Bundle(None, problem=_too_few(subjects)), rows
        template = self._template(refs, left_out)
        reference = self._cohort(refs, template, folder, left_out)
        if len(reference.subjects()) < FEWEST_SUBJECTS:
            rows = [ScanTarget(m.ref, None, facts=m.facts) for m in reference.members]
            return Bundle(None, problem=_too_few(len(reference.subjects()))), rows
        holdout = self._cohort(held, template, folder, left_out)
        profiles = {
            name: self._profile(detector, reference, holdout, digest)
            for name, detector in self.detectors.items()
            if detector.scope is Scope.SCAN
        }
        rows = [ScanTarget(m.ref, None, facts=m.facts) for m in reference.members]
        return Bundle(template, profiles), rows

    def _template(self, refs: Sequence[ScanRef], left_out: list[str]) -> Template:
        first = {ref.subject: ref for ref in reversed(refs)}
        chosen = [first[subject] for subject in sorted(first)]
        step = max(1, len(chosen) // SUBJECTS_FOR_TEMPLATE)
        scans = []
        for ref in self.progress(chosen[::step][:SUBJECTS_FOR_TEMPLATE], "template"):
            try:
                scan = read_scan(ref)
                scans.append((scan, guess_options(scan)))
            except ReadError as problem:
                left_out.append(str(problem))
        if not scans:
            raise ProfileError(f"No real scan could be read. {' '.join(left_out[:3])}".strip())
        options = common_options([option for _, option in scans])
        return build_template(_canonical([scan for scan, _ in scans], options), options)

    def _cohort(
        self, refs: Sequence[ScanRef], template: Template, folder: Path, left_out: list[str]
    ) -> Cohort:
        def member(ref: ScanRef) -> Member | str:
            return prepared_member(ref, template, folder)

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            done = pool.map(member, refs)
            found = [item for _, item in zip(self.progress(refs, "preparing"), done, strict=True)]
        left_out += [item for item in found if isinstance(item, str) and item not in left_out]
        return Cohort(tuple(item for item in found if isinstance(item, Member)), template)

    def _profile(
        self, detector: Detector, reference: Cohort, holdout: Cohort, digest: str
    ) -> Profile:
        """What a detector learned from the whole reference, calibrated on patients it never saw."""
        profile, held_out = self._learned(detector, reference, digest)
        if not detector.needs_profile:
            return profile
        if holdout.members and isinstance(detector, Recalibrates):
            fitted = detector.recalibrate(profile, holdout)
            facts = {**fitted.facts, "version": detector.version}
            profile = replace(profile, arrays=fitted.arrays, facts=facts)
            scores = list(fitted.held_out.values())
            source = "patients of the holdout folder"
        elif holdout.members:
            scores = self._patients(detector, holdout, self._opened(detector, profile))
            source = "patients of the holdout folder"
        elif held_out:
            scores = [_finite(score, detector.name, who) for who, score in held_out.items()]
            source = "reference patients, each judged by what the others taught"
        elif isinstance(detector, LeavesOut):
            scores = self._one_by_one(detector, profile, reference)
            source = "reference patients, each left out of the profile in turn"
        else:
            scores = self._in_folds(detector, reference, digest)
            source = f"reference patients, a {PART} held out of the profile in turn"
        calibration = np.sort(np.array(scores, dtype=np.float64))
        return replace(profile, calibration=calibration, calibration_source=source)

    def _learned(
        self, detector: Detector, cohort: Cohort, digest: str
    ) -> tuple[Profile, Mapping[str, float]]:
        """A profile without calibration, and the scores that the detector held out itself."""
        try:
            # One step that can take minutes: whoever waits should see what for.
            (fitted,) = [
                one.fit(cohort, seed=self.seed)
                for one in self.progress([detector], f"learning {detector.name}")
            ]
        except NotJudged as problem:
            raise ProfileError(f"The check {detector.name} learns nothing: {problem}.") from problem
        facts = {**fitted.facts, "version": detector.version}
        count = len(cohort.subjects())
        profile = Profile(detector.name, digest, fitted.arrays, facts, np.empty(0), "", count)
        return profile, fitted.held_out

    def _one_by_one(self, detector: LeavesOut, profile: Profile, cohort: Cohort) -> list[float]:
        subjects = cohort.subjects()
        if len(subjects) > MOST_LEFT_OUT_ONE_BY_ONE:
            share = MOST_LEFT_OUT_ONE_BY_ONE / len(subjects)
            cohort = cohort.only(hold_out(subjects, share=share, seed=self.seed))
        judge = cast("Detector", detector)
        return self._patients(
            judge,
            cohort,
            lambda who: judge.open(detector.without(profile, who), device=self.device),
        )

    def _in_folds(self, detector: Detector, cohort: Cohort, digest: str) -> list[float]:
        scores = []
        for part in folds(cohort.subjects(), count=FOLDS, seed=self.seed):
            others = cohort.only(set(cohort.subjects()) - part)
            profile, _ = self._learned(detector, others, digest)
            scores += self._patients(detector, cohort.only(part), self._opened(detector, profile))
        return scores

    def _opened(self, detector: Detector, profile: Profile) -> Callable[[str], Scorer]:
        """One scorer for all patients, opened when the first is scored."""

        @cache
        def scorer() -> Scorer:
            return detector.open(profile, device=self.device)

        return lambda _: scorer()

    def _patients(
        self, detector: Detector, cohort: Cohort, scorer_for: Callable[[str], Scorer]
    ) -> list[float]:
        """One score a patient, that of the patient's worst scan."""
        scores = []
        for subject in self.progress(cohort.subjects(), f"calibrating {detector.name}"):
            own = self._scores(detector, scorer_for, cohort.only([subject]))
            scores += [max(own)] if own else []
        return scores

    def _scores(
        self, detector: Detector, scorer_for: Callable[[str], Scorer], cohort: Cohort
    ) -> list[float]:
        values = []
        for member in cohort.members:
            target = member.target(template=cohort.template, scan=True)
            try:
                (score,) = scorer_for(member.ref.subject).score([target])
            except NotJudged:
                continue
            except Exception as problem:
                raise ProfileError(
                    f"The check {detector.name} cannot be calibrated: it crashed on the real scan "
                    f"{member.ref.target} ({type(problem).__name__}: {problem})."
                ) from problem
            if score.value is not None:
                values.append(_finite(score.value, detector.name, member.ref.target))
        return values

    def _release(self, rows: Sequence[ScanTarget], digest: str) -> dict[str, Profile]:
        found = {}
        for name, detector in self.detectors.items():
            if detector.scope is Scope.RELEASE:
                fitted = detector.fit(rows, seed=self.seed)
                facts = {**fitted.facts, "version": detector.version}
                found[name] = Profile(
                    name, digest, fitted.arrays, facts, np.empty(0), "", len(rows)
                )
        return found


def _finite(value: float, check: str, target: str) -> float:
    if not np.isfinite(value):
        raise ProfileError(
            f"The check {check} cannot be calibrated: its score of the real scan {target} "
            f"is {value}."
        )
    return float(value)


def _refs(releases: Sequence[Release]) -> list[ScanRef]:
    return [ref for release in releases for ref in release.refs]


def _by_modality(refs: Sequence[ScanRef]) -> dict[str, list[ScanRef]]:
    def key(ref: ScanRef) -> str:
        return ref.modality or ANY_MODALITY

    return {name: list(group) for name, group in groupby(sorted(refs, key=key), key)}


def _refuse_overlap(refs: Sequence[ScanRef], held: Sequence[ScanRef]) -> None:
    both = sorted({ref.subject for ref in refs} & {ref.subject for ref in held})
    if both:
        raise ProfileError(
            f"{len(both)} patients are in the reference and in the holdout too "
            f"({', '.join(both[:3])}): the holdout must be patients the generator never saw."
        )


def _too_few(subjects: int) -> str:
    return (
        f"the reference has {subjects} patients that can be read, and at least {FEWEST_SUBJECTS} "
        "are needed to learn what real scans look like and to calibrate"
    )


def _row(ref: ScanRef, left_out: list[str]) -> ScanTarget | None:
    try:
        return ScanTarget(ref, None, facts=facts_of(read_scan(ref)))
    except ReadError as problem:
        left_out.append(str(problem))
        return None


def _canonical(scans: Sequence[Any], options: PrepareOptions) -> list[Prepared]:
    prepared = []
    for scan in scans:
        try:
            prepared.append(canonical(scan, options))
        except NotJudged:
            continue
    if not prepared:
        raise ProfileError("None of the real scans can be prepared: all are empty or not finite.")
    return prepared
