"""Judge targets one after the other: read ahead -> prepare -> score in batches -> finding.

Nothing of pytest is in here. Memory is bounded: a handful of scans is held, whatever the size of
the release.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from pytest_safegen.config.device import resolve_device
from pytest_safegen.config.hookspecs import Detector, Scorer
from pytest_safegen.config.settings import Settings
from pytest_safegen.core.calibration import Calibration, MeasureLimits
from pytest_safegen.core.errors import (
    NotJudged,
    ProfileError,
    ReadError,
    SafegenError,
    format_error,
)
from pytest_safegen.core.finding import Finding, Verdict, worst
from pytest_safegen.core.scan import Fact, Scan, ScanRef, Series
from pytest_safegen.core.score import Profile, Rule, Score
from pytest_safegen.core.targets import ReleaseTarget, ScanTarget, SeriesTarget, Target
from pytest_safegen.data.table import facts_of
from pytest_safegen.judging.applied_limits import (
    calibrations_of,
    limits_of_checks,
    modality_of,
)
from pytest_safegen.judging.heatmaps import with_explanations, with_heatmap
from pytest_safegen.judging.limits import limited, rules_for
from pytest_safegen.judging.messages import capitalized
from pytest_safegen.judging.verdict import judge, unjudged
from pytest_safegen.prepare.canonical import canonical
from pytest_safegen.prepare.template import align
from pytest_safegen.profiles.fit import Progress, silent
from pytest_safegen.profiles.model import Bundle, ProfileSet
from pytest_safegen.profiles.source import profiles_for
from pytest_safegen.readers import read_scan

SCANS_HELD = 6

UNREAD_ROW = ("target",)

BATCH_ON_ACCELERATOR = 4

NO_REAL_SCANS = (
    "this check compares with real scans, and none were given: add --safegen-reference DIR with "
    "the scans the generator was trained on, or --safegen-profile FILE fitted from them"
)


class Runner:
    """Judges scans, series and the release with some detectors and what they learned.

    `profiles` is None where there are no real scans; `no_profile` is then the reason.
    """

    def __init__(
        self,
        settings: Settings,
        detectors: Mapping[str, Detector],
        profiles: ProfileSet | None,
        *,
        no_profile: str = NO_REAL_SCANS,
    ) -> None:
        self._settings = settings
        self._detectors = detectors
        self.profiles = profiles
        self._no_profile = no_profile
        self.device = resolve_device(settings.device)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="safegen-reader")
        self._held: OrderedDict[str, Future[ScanTarget]] = OrderedDict()
        self._ahead: frozenset[str] = frozenset()
        self._scores: dict[tuple[str, str], Score | Exception] = {}
        self._scorers: dict[tuple[str, int], Scorer | Exception] = {}

    def close(self) -> None:
        """Stop reading ahead."""
        self._pool.shutdown(cancel_futures=True)

    def scan(self, check: str, ref: ScanRef, *, upcoming: Sequence[ScanRef] = ()) -> Finding:
        """The finding of one check on one scan; `upcoming` scans are read meanwhile."""
        started = time.perf_counter()
        target = self._load(ref, upcoming)
        detector = self._detectors[check]
        bundle = self._bundle(ref)
        refusal = _refusal(detector, target, bundle, self._no_profile)
        if refusal is not None:
            return replace(refusal, seconds=time.perf_counter() - started)
        profile = bundle.profiles.get(check)
        score = self._score(detector, target, profile)
        return self._finding(check, target, score, profile, started)

    def changed(
        self, checks: Sequence[str], ref: ScanRef, change: Callable[[Scan], Scan]
    ) -> Iterator[Finding]:
        """The findings on a scan as `change` makes it; no map of it is kept.

        Raises what `change` raises, and ReadError for a scan that cannot be read.
        """
        scan = change(read_scan(ref))
        target = self._aligned(ScanTarget(ref, scan, facts=facts_of(scan)))
        bundle = self._bundle(ref)
        for check in checks:
            detector, profile = self._detectors[check], bundle.profiles.get(check)
            refusal = _refusal(detector, target, bundle, self._no_profile)
            if refusal is not None:
                yield refusal
                continue
            score = self._attempt(detector, target, profile)
            if isinstance(score, Exception):
                yield _unscored(check, ref.target, score, 0.0)
            else:
                yield self._judged(check, ref.target, score, profile, 0.0)

    def series(self, check: str, series: Series, *, cohort: tuple[Series, ...] = ()) -> Finding:
        """The finding of one check on one patient's timepoints, among all of the release."""
        started = time.perf_counter()
        detector = self._detectors[check]
        bundle = self._bundle(series.refs[0])
        profile = bundle.profiles.get(check)
        if detector.needs_profile and profile is None:
            return _without_profile(check, series.target, bundle.problem, self._no_profile)
        loaded = [self._read(ref) for ref in series.refs]
        readable = tuple(target for target in loaded if target.scan is not None)
        if not readable:
            text = " ".join(target.problem for target in loaded)
            return _unjudged(check, series.target, Verdict.ERROR, text)
        target = SeriesTarget(series, readable, cohort)
        score = self._attempt(detector, target, profile)
        finding = self._finding(check, target, score, profile, started)
        unread = [target.problem for target in loaded if target.scan is None]
        return _with_unread(finding, unread)

    def release(self, check: str, rows: Sequence[Mapping[str, Fact]]) -> Finding:
        """The finding of one check on the table of all scans.

        Scans that cannot be read have no row; with one of them the finding is never a PASS.
        """
        started = time.perf_counter()
        detector = self._detectors[check]
        profile = self.profiles.release.get(check) if self.profiles else None
        if detector.needs_profile and profile is None:
            unknown = "" if self.profiles else self._no_profile
            return _without_profile(check, "", unknown, self._no_profile)
        known = tuple(row for row in rows if len(row) > len(UNREAD_ROW))
        target = ReleaseTarget(known)
        score = self._attempt(detector, target, profile)
        finding = self._finding(check, target, score, profile, started)
        missing = len(rows) - len(known)
        return _with_unread(finding, [f"{missing} scans cannot be read."] if missing else [])

    def calibrations(self) -> dict[str, dict[str, Calibration]]:
        """The calibration of each check that has one, per modality of the real scans."""
        return calibrations_of(self._detectors, self._settings.thresholds, self.profiles)

    def limits(self) -> dict[str, dict[str, dict[str, MeasureLimits]]]:
        """The limits of every measure that has one, per check and modality."""
        return limits_of_checks(self._detectors, self._settings.thresholds, self.profiles)

    def facts(self, ref: ScanRef) -> Mapping[str, Fact]:
        """The scan's row in the table of scans; only its target where it cannot be read."""
        held = self._held.get(ref.target)
        target = held.result() if held else self._read(ref)
        return target.facts or {"target": ref.target}

    def _bundle(self, ref: ScanRef) -> Bundle:
        if self.profiles is None:
            return Bundle(None, problem=self._no_profile)
        return self.profiles.bundle(ref.modality)

    def _load(self, ref: ScanRef, upcoming: Sequence[ScanRef]) -> ScanTarget:
        ahead = upcoming[: SCANS_HELD - 1]
        self._ahead = frozenset(other.target for other in ahead)
        for wanted in (*ahead, ref):
            if wanted.target in self._held:
                self._held.move_to_end(wanted.target)
        for wanted in (ref, *ahead):
            if wanted.target not in self._held:
                self._held[wanted.target] = self._pool.submit(self._prepare, wanted)
        while len(self._held) > SCANS_HELD:
            gone, future = self._held.popitem(last=False)
            future.cancel()
            self._scores = {key: value for key, value in self._scores.items() if key[1] != gone}
        return self._held[ref.target].result()

    def _prepare(self, ref: ScanRef) -> ScanTarget:
        return self._aligned(self._read(ref))

    def _aligned(self, target: ScanTarget) -> ScanTarget:
        template = self._bundle(target.ref).template
        if target.scan is None or template is None:
            return target
        try:
            own = canonical(target.scan, template.options)
            return replace(target, own=own, prepared=align(own, template))
        except NotJudged as problem:
            return replace(target, unprepared=str(problem))
        except Exception as problem:  # noqa: BLE001  one scan must not stop the others
            return replace(
                target, unprepared=f"preparing the scan crashed ({format_error(problem)})"
            )

    def _read(self, ref: ScanRef) -> ScanTarget:
        try:
            scan = read_scan(ref)
            return ScanTarget(ref, scan, facts=facts_of(scan))
        except ReadError as problem:
            return ScanTarget(ref, None, problem=str(problem))
        except Exception as problem:  # noqa: BLE001  one scan must not stop the others
            text = f"{ref.target} cannot be read: the reader crashed ({format_error(problem)})."
            return ScanTarget(ref, None, problem=text)

    def _score(
        self, detector: Detector, target: ScanTarget, profile: Profile | None
    ) -> Score | Exception:
        """The score, together with those of scans that are ready too if there is an accelerator."""
        key = (detector.name, target.ref.target)
        if key not in self._scores and self.device != "cpu":
            self._score_batch(detector, target, profile)
        if key not in self._scores:
            self._scores[key] = self._attempt(detector, target, profile)
        return self._scores.pop(key)

    def _score_batch(self, detector: Detector, target: ScanTarget, profile: Profile | None) -> None:
        ready = [future.result() for future in self._held.values() if future.done()]
        batch = [target] + [
            other
            for other in ready
            if other.ref.target in self._ahead
            and other.prepared is not None
            and (detector.name, other.ref.target) not in self._scores
            and self._bundle(other.ref).profiles.get(detector.name) is profile
        ]
        batch = batch[:BATCH_ON_ACCELERATOR]
        try:
            scores = list(self._scorer(detector, profile).score(batch))
            scored = dict(zip((item.ref.target for item in batch), scores, strict=True))
        except Exception:  # noqa: BLE001  then each is scored alone and tells for itself
            return
        self._scores |= {(detector.name, name): score for name, score in scored.items()}

    def _scorer(self, detector: Detector, profile: Profile | None) -> Scorer:
        """The detector with its profile, opened when first asked for; raises what `open` raised."""
        key = (detector.name, id(profile))
        if key not in self._scorers:
            try:
                self._scorers[key] = detector.open(profile, device=self.device)
            except Exception as problem:  # noqa: BLE001  a stranger's code, which may raise anything
                self._scorers[key] = problem
        scorer = self._scorers[key]
        if isinstance(scorer, Exception):
            raise scorer
        return scorer

    def _attempt(
        self, detector: Detector, target: Target, profile: Profile | None
    ) -> Score | Exception:
        try:
            (score,) = self._scorer(detector, profile).score([target])
        except Exception as problem:  # noqa: BLE001  one scan must not stop the others
            return problem
        return score

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
            return _unscored(check, name, score, seconds)
        try:
            finding = self._judged(check, name, score, profile, seconds)
            modality = modality_of(check, _modality_of(target), self.profiles)
            finding = replace(finding, modality=modality)
            finding = with_heatmap(finding, score, self._settings)
        except SafegenError:
            raise
        except Exception as problem:  # noqa: BLE001  what a check returns may be anything
            return _crashed(check, name, problem, seconds)
        scorer = self._scorer(self._detectors[check], profile)
        return with_explanations(finding, scorer, target, score, settings=self._settings)

    def _judged(
        self, check: str, target: str, score: Score, profile: Profile | None, seconds: float
    ) -> Finding:
        try:
            return judge(
                check,
                target,
                score,
                rules=self._rules(check),
                profile=profile,
                required=limited(check, self._settings.thresholds),
                seconds=seconds,
            )
        except ValueError as problem:
            return _unjudged(check, target, Verdict.ERROR, str(problem), seconds)

    def _rules(self, check: str) -> Mapping[str, Rule]:
        defaults = self._detectors[check].rules
        return rules_for(check, defaults, self._settings.thresholds)


def _refusal(
    detector: Detector, target: ScanTarget, bundle: Bundle, no_profile: str
) -> Finding | None:
    """Why a scan cannot be scored at all, as a finding; None if it can."""
    name, ref = detector.name, target.ref.target
    if target.scan is None and not getattr(detector, "judges_unreadable", False):
        return _unjudged(name, ref, Verdict.ERROR, target.problem)
    if not detector.needs_profile:
        return None
    if bundle.profiles.get(name) is None:
        return _without_profile(name, ref, bundle.problem, no_profile)
    if target.prepared is None:
        return _unjudged(name, ref, Verdict.INCONCLUSIVE, target.unprepared)
    return None


def _without_profile(check: str, target: str, problem: str, no_profile: str) -> Finding:
    text = problem or f"the profile knows nothing of the check {check}: fit it again"
    verdict_ = Verdict.ERROR if text == no_profile else Verdict.INCONCLUSIVE
    return _unjudged(check, target, verdict_, text)


def _unscored(check: str, target: str, problem: Exception, seconds: float) -> Finding:
    if isinstance(problem, NotJudged):
        return _unjudged(check, target, Verdict.INCONCLUSIVE, str(problem), seconds)
    return _crashed(check, target, problem, seconds)


def _crashed(check: str, target: str, problem: Exception, seconds: float) -> Finding:
    text = f"the check crashed ({format_error(problem)}); this is a defect of the check"
    return _unjudged(check, target, Verdict.ERROR, text, seconds)


def _with_unread(finding: Finding, unread: Sequence[str]) -> Finding:
    """What was judged without scans that cannot be read is never better than INCONCLUSIVE."""
    if not unread:
        return finding
    reason = f"{finding.reason} Not judged: {' '.join(unread)}"
    return replace(finding, verdict=worst(finding.verdict, Verdict.INCONCLUSIVE), reason=reason)


def _unjudged(
    check: str, target: str, verdict_: Verdict, text: str, seconds: float = 0.0
) -> Finding:
    full = text if target and text.startswith(target) else capitalized(text)
    return unjudged(check, target, verdict_, full.rstrip(".") + ".", seconds=seconds)


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


def runner_for(
    settings: Settings, detectors: Mapping[str, Detector], *, progress: Progress = silent
) -> Runner:
    """A pipeline with all that is known of real scans; fits a profile if there is none yet.

    Where nothing can be learned from the real scans, the checks that need it say why.

    Raises:
        ProfileError: a profile file that cannot be read.
    """
    try:
        profiles = profiles_for(settings, detectors, progress=progress)
    except ProfileError as problem:
        if settings.profile is not None:
            raise
        return Runner(settings, detectors, None, no_profile=str(problem))
    return Runner(settings, detectors, profiles, no_profile=NO_REAL_SCANS)
