"""Judge targets one after the other: load -> score -> judge -> finding.

Nothing of pytest is in here. Memory is bounded: a handful of scans is held, whatever the size of
the release.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from pytest_safegen.config.device import resolve_device
from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.config.settings import Settings
from pytest_safegen.core.errors import ProfileError, SafegenError
from pytest_safegen.core.finding import Calibration, Finding, MeasureLimits, Verdict
from pytest_safegen.core.scan import Fact, Scan, ScanRef, Series
from pytest_safegen.core.score import Profile, Score
from pytest_safegen.core.targets import ReleaseTarget, ScanTarget, Scope, SeriesTarget, Target
from pytest_safegen.judging.applied_limits import calibrations_of, limits_of_checks, modality_of
from pytest_safegen.judging.heatmaps import with_explanations, with_heatmap
from pytest_safegen.judging.limits import limited, rules_for
from pytest_safegen.judging.loader import ScanLoader
from pytest_safegen.judging.scorers import Scorers
from pytest_safegen.judging.unjudged import (
    NO_REAL_SCANS,
    crashed,
    refusal,
    unjudged,
    unreadable_series,
    unscored,
    with_unread,
    without_profile,
)
from pytest_safegen.judging.verdict import judge
from pytest_safegen.profiles.learn import Progress, silent
from pytest_safegen.profiles.model import Bundle, ProfileSet
from pytest_safegen.profiles.source import profiles_for

UNREAD_ROW = ("target",)


class Runner:
    """Judges scans, series and the release by some detectors and their profiles.

    `profiles` is None where there are no real scans; `no_profile` then says why.
    """

    def __init__(
        self,
        settings: Settings,
        detectors: Mapping[str, Detector],
        profiles: ProfileSet | None,
        *,
        no_profile: Bundle = NO_REAL_SCANS,
    ) -> None:
        self._settings = settings
        self._detectors = detectors
        self.profiles = profiles
        self._no_profile = no_profile
        self._unfitted = Verdict.INCONCLUSIVE if profiles else Verdict.ERROR
        self.device = resolve_device(settings.device)
        self._scorers = Scorers(self.device)
        self.loader = ScanLoader(
            lambda ref: profiles.bundle(ref.modality).template if profiles else None,
            keep_series=any(one.scope is Scope.SERIES for one in detectors.values()),
        )

    def close(self) -> None:
        """Stop reading ahead."""
        self.loader.close()

    def scan(self, check: str, ref: ScanRef, *, upcoming: Sequence[ScanRef] = ()) -> Finding:
        """The finding of one check on one scan; `upcoming` scans are read meanwhile."""
        started = time.perf_counter()
        target = self.loader.load(ref, upcoming)
        detector, profile = self._detectors[check], self._profile(check, ref)
        refused = refusal(detector, target, self._bundle(ref), self._unfitted)
        if refused is not None:
            return replace(refused, seconds=time.perf_counter() - started)
        score = self._scorers.score_scan(
            detector, profile, target, lambda: self._batch(check, profile)
        )
        return self._finding(check, target, score, profile, started)

    def changed(
        self, checks: Sequence[str], ref: ScanRef, change: Callable[[Scan], Scan]
    ) -> Iterator[Finding]:
        """The findings on a scan as `change` makes it; no map of it is kept.

        Raises what `change` raises, and ReadError for a scan that cannot be read.
        """
        target = self.loader.changed(ref, change)
        for check in checks:
            detector, profile = self._detectors[check], self._profile(check, ref)
            refused = refusal(detector, target, self._bundle(ref), self._unfitted)
            if refused is not None:
                yield refused
                continue
            score = self._scorers.score(detector, profile, target)
            if isinstance(score, Exception):
                yield unscored(check, ref.target, score)
            else:
                yield _judged(detector, ref.target, score, profile, self._settings)

    def series(self, check: str, series: Series, *, cohort: tuple[Series, ...] = ()) -> Finding:
        """The finding of one check on one patient's timepoints, among all of the release."""
        started = time.perf_counter()
        detector, profile = self._detectors[check], self._profile(check, series.refs[0])
        if detector.needs_profile and profile is None:
            bundle = self._bundle(series.refs[0])
            return without_profile(check, series.target, bundle, self._unfitted)
        scans = self.loader.series(series.refs)
        readable = tuple(scan for scan in scans if scan.scan is not None)
        if not readable:
            return unreadable_series(check, series.target, scans)
        target = SeriesTarget(series, readable, cohort)
        score = self._scorers.score(detector, profile, target)
        finding = self._finding(check, target, score, profile, started)
        unread = [scan.problem for scan in scans if scan.scan is None]
        headline = f"{len(unread)} of {len(scans)} timepoints cannot be read"
        return with_unread(finding, unread, headline=headline)

    def release(self, check: str, rows: Sequence[Mapping[str, Fact]]) -> Finding:
        """The finding of one check on the table of all scans.

        Scans that cannot be read have no row; with one of them the finding is never a PASS.
        """
        started = time.perf_counter()
        detector = self._detectors[check]
        profile = self.profiles.release.get(check) if self.profiles else None
        if detector.needs_profile and profile is None:
            bundle = Bundle(None) if self.profiles else self._no_profile
            return without_profile(check, "", bundle, self._unfitted)
        known = tuple(row for row in rows if len(row) > len(UNREAD_ROW))
        target = ReleaseTarget(known)
        score = self._scorers.score(detector, profile, target)
        finding = self._finding(check, target, score, profile, started)
        missing = len(rows) - len(known)
        text = f"{missing} scan{'' if missing == 1 else 's'} cannot be read"
        return with_unread(finding, [f"{text}."] if missing else [], headline=text)

    def calibrations(self) -> dict[str, dict[str, Calibration]]:
        """The calibration of each check that has one, per modality of the real scans."""
        return calibrations_of(self._detectors, self._settings.thresholds, self.profiles)

    def limits(self) -> dict[str, dict[str, dict[str, MeasureLimits]]]:
        """The limits of every measure that has one, per check and modality."""
        return limits_of_checks(self._detectors, self._settings.thresholds, self.profiles)

    def facts(self, ref: ScanRef) -> Mapping[str, Fact]:
        """The scan's row in the table of scans; only its target where it cannot be read."""
        return self.loader.facts(ref)

    def _bundle(self, ref: ScanRef) -> Bundle:
        return self.profiles.bundle(ref.modality) if self.profiles else self._no_profile

    def _profile(self, check: str, ref: ScanRef) -> Profile | None:
        return self._bundle(ref).profiles.get(check)

    def _batch(self, check: str, profile: Profile | None) -> list[ScanTarget]:
        """Upcoming scans that are ready for a check and are judged by the same profile."""
        return [
            other
            for other in self.loader.ready()
            if other.prepared is not None and self._profile(check, other.ref) is profile
        ]

    def _finding(
        self,
        check: str,
        target: Target,
        score: Score | Exception,
        profile: Profile | None,
        started: float,
    ) -> Finding:
        name, seconds = _name_of(target), time.perf_counter() - started
        if isinstance(score, Exception):
            return replace(unscored(check, name, score), seconds=seconds)
        detector = self._detectors[check]
        try:
            finding = _judged(detector, name, score, profile, self._settings)
            modality = modality_of(check, _modality_of(target), self.profiles)
            finding = replace(finding, modality=modality)
            finding = with_heatmap(finding, score, self._settings)
        except SafegenError:
            raise
        except Exception as problem:  # noqa: BLE001  what a check returns may be anything
            return replace(crashed(check, name, problem), seconds=seconds)
        finding = replace(finding, seconds=seconds)
        scorer = self._scorers.open(detector, profile)
        return with_explanations(finding, scorer, target, score, settings=self._settings)


def runner_for(
    settings: Settings, detectors: Mapping[str, Detector], *, progress: Progress = silent
) -> Runner:
    """A runner with the profiles that the settings ask for, fitted now if they are not yet.

    Where no profile can be fitted, the checks that need one say why.

    Raises:
        ProfileError: a profile file that cannot be read.
    """
    try:
        profiles = profiles_for(settings, detectors, progress=progress)
    except ProfileError as problem:
        if settings.profile is not None:
            raise
        no_profile = Bundle(None, problem=str(problem), headline=problem.headline)
        return Runner(settings, detectors, None, no_profile=no_profile)
    return Runner(settings, detectors, profiles)


def _judged(
    detector: Detector, target: str, score: Score, profile: Profile | None, settings: Settings
) -> Finding:
    check, thresholds = detector.name, settings.thresholds
    try:
        return judge(
            check,
            target,
            score,
            rules=rules_for(check, detector.rules, thresholds),
            profile=profile,
            required=limited(check, thresholds),
        )
    except ValueError as problem:
        return unjudged(check, target, Verdict.ERROR, str(problem))


def _name_of(target: Target) -> str:
    match target:
        case ScanTarget():
            return target.ref.target
        case SeriesTarget():
            return target.series.target
        case ReleaseTarget():
            return ""


def _modality_of(target: Target) -> str | None:
    match target:
        case ScanTarget():
            return target.ref.modality
        case SeriesTarget():
            return target.series.refs[0].modality
        case ReleaseTarget():
            return None
