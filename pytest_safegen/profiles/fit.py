"""Learn from real scans: reference folder -> prepared cohort -> detectors -> ProfileSet."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.core.errors import NotJudged, ProfileError, ReadError
from pytest_safegen.core.scan import Prepared, Release, ScanRef
from pytest_safegen.core.score import Profile
from pytest_safegen.core.targets import ScanTarget, Scope
from pytest_safegen.data.table import facts_of
from pytest_safegen.prepare.canonical import canonical
from pytest_safegen.prepare.guess import common_options, guess_options
from pytest_safegen.prepare.options import PrepareOptions
from pytest_safegen.prepare.template import Template, build_template
from pytest_safegen.profiles.calibrate import Calibrator
from pytest_safegen.profiles.cohort import Cohort, Member, prepared_member
from pytest_safegen.profiles.digest import fit_digest
from pytest_safegen.profiles.learn import Learner, Progress, silent
from pytest_safegen.profiles.model import ANY_MODALITY, Bundle, ProfileSet
from pytest_safegen.readers import read_scan

FEWEST_SUBJECTS = 10

SUBJECTS_FOR_TEMPLATE = 16

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _Fit:
    """What came of the scans of one modality; `left_out` are sentences on scans not used."""

    bundle: Bundle
    rows: Sequence[ScanTarget]
    left_out: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Fitter:
    """Fits and calibrates detectors on real scans, one modality at a time."""

    detectors: Mapping[str, Detector]
    seed: int = 0
    device: str = "cpu"
    progress: Progress = silent

    def fit(self, reference: Sequence[Release], holdout: Sequence[Release]) -> ProfileSet:
        """The profiles of every detector, calibrated on the holdout if there is one.

        Raises:
            ProfileError: no scan can be read, a patient is in both reference and holdout, or the
                holdout shares no modality with the reference.
        """
        refs, held = _refs(reference), _refs(holdout)
        _refuse_overlap(refs, held)
        groups, held_groups = _by_modality(refs), _by_modality(held)
        _refuse_other_modality(groups, held_groups)
        digest = fit_digest(refs, held, self.detectors, seed=self.seed)
        learner = Learner(digest, self.seed, self.device, self.progress)
        fits = {
            modality: self._modality(group, held_groups.get(modality, []), learner)
            for modality, group in groups.items()
        }
        rows = [row for one in fits.values() for row in one.rows]
        left_out = [text for one in fits.values() for text in one.left_out]
        left_out += _unused(groups, held_groups)
        if not rows:
            raise _none_readable(left_out)
        return ProfileSet(
            digest,
            {modality: one.bundle for modality, one in fits.items()},
            self._release(rows, learner),
            tuple(dict.fromkeys(left_out)),
        )

    def _modality(self, refs: Sequence[ScanRef], held: Sequence[ScanRef], learner: Learner) -> _Fit:
        patients = len({ref.subject for ref in refs})
        if patients < FEWEST_SUBJECTS:
            read = [_row(ref) for ref in refs]
            return _Fit(_too_few(patients), *_parted(read))
        with tempfile.TemporaryDirectory(prefix="safegen-") as folder:
            return self._on_disk(refs, held, learner, Path(folder))

    def _on_disk(
        self, refs: Sequence[ScanRef], held: Sequence[ScanRef], learner: Learner, folder: Path
    ) -> _Fit:
        """One modality, with its prepared scans in `folder`."""
        template, unread = self._template(refs)
        reference, left_out = self._cohort(refs, template, folder)
        rows = [ScanTarget(m.ref, None, facts=m.facts) for m in reference.members]
        patients = len(reference.subjects())
        if patients < FEWEST_SUBJECTS:
            return _Fit(_too_few(patients), rows, [*unread, *left_out])
        holdout, left_out_too = self._cohort(held, template, folder)
        profiles = {
            name: self._profile(detector, reference, holdout, learner)
            for name, detector in self.detectors.items()
            if detector.scope is Scope.SCAN
        }
        return _Fit(Bundle(template, profiles), rows, [*unread, *left_out, *left_out_too])

    def _template(self, refs: Sequence[ScanRef]) -> tuple[Template, list[str]]:
        """The template of some patients' first scans, and why others could not be read."""
        first = {ref.subject: ref for ref in reversed(refs)}
        chosen = [first[subject] for subject in sorted(first)]
        step = max(1, len(chosen) // SUBJECTS_FOR_TEMPLATE)
        scans, unread = [], []
        for ref in self.progress(chosen[::step][:SUBJECTS_FOR_TEMPLATE], "template"):
            try:
                scan = read_scan(ref)
                scans.append((scan, guess_options(scan)))
            except ReadError as problem:
                unread.append(str(problem))
        if not scans:
            raise _none_readable(unread)
        options = common_options([option for _, option in scans])
        prepared = _canonical([scan for scan, _ in scans], options)
        return build_template(prepared, options), unread

    def _cohort(
        self, refs: Sequence[ScanRef], template: Template, folder: Path
    ) -> tuple[Cohort, list[str]]:
        """The scans prepared in `folder`, and why others are left out."""

        def member(ref: ScanRef) -> Member | str:
            return prepared_member(ref, template, folder)

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            done = pool.map(member, refs)
            found = [item for _, item in zip(self.progress(refs, "preparing"), done, strict=True)]
        members, left_out = _parted(found)
        return Cohort(tuple(members), template), left_out

    def _profile(
        self, detector: Detector, reference: Cohort, holdout: Cohort, learner: Learner
    ) -> Profile:
        """What a detector learned from the whole reference, calibrated on patients it never saw."""
        learned = learner.learn(detector, reference)
        if not detector.needs_profile:
            return learned.profile
        return Calibrator(learner).calibrated(detector, learned, reference, holdout)

    def _release(self, rows: Sequence[ScanTarget], learner: Learner) -> dict[str, Profile]:
        return {
            name: learner.learn_table(detector, rows)
            for name, detector in self.detectors.items()
            if detector.scope is Scope.RELEASE
        }


def _parted(items: Sequence[Item | str]) -> tuple[list[Item], list[str]]:
    """The items, and apart from them the sentences on those that are left out."""
    return (
        [item for item in items if not isinstance(item, str)],
        [item for item in items if isinstance(item, str)],
    )


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
            f"({', '.join(both[:3])}): the holdout must be patients the generator never saw.",
            headline="Reference and holdout share patients",
        )


def _refuse_other_modality(
    reference: Mapping[str, Sequence[ScanRef]], holdout: Mapping[str, Sequence[ScanRef]]
) -> None:
    if holdout and not set(holdout) & set(reference):
        raise ProfileError(
            f"The holdout cannot calibrate: its modality is {_named(holdout)} and that of the "
            f"reference {_named(reference)}. Use the same name in the file names or in "
            "safegen.tsv.",
            headline="Holdout and reference differ in modality",
        )


def _unused(
    reference: Mapping[str, Sequence[ScanRef]], holdout: Mapping[str, Sequence[ScanRef]]
) -> list[str]:
    """A sentence for each modality of the holdout that the reference lacks."""
    return [
        f"Holdout scans of modality {modality or 'unknown'} are not used ({len(refs)}): the "
        f"reference is {_named(reference)}."
        for modality, refs in holdout.items()
        if modality not in reference
    ]


def _named(modalities: Iterable[str]) -> str:
    return ", ".join(modality or "unknown" for modality in modalities)


def _too_few(patients: int) -> Bundle:
    return Bundle(
        None,
        problem=f"the reference has {patients} patients that can be read, and at least "
        f"{FEWEST_SUBJECTS} are needed to learn what real scans look like and to calibrate",
        headline=f"Too few real patients to compare with: {patients}, need {FEWEST_SUBJECTS}",
    )


def _none_readable(reasons: Sequence[str]) -> ProfileError:
    return ProfileError(
        f"No real scan can be read. {' '.join(reasons[:3])}".strip(),
        headline="No real scan can be read",
    )


def _row(ref: ScanRef) -> ScanTarget | str:
    try:
        return ScanTarget(ref, None, facts=facts_of(read_scan(ref)))
    except ReadError as problem:
        return str(problem)


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
