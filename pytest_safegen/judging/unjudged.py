"""Findings without a judgement: nothing to compare with, unreadable, not measurable, crashed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.core.errors import NotJudged, format_error
from pytest_safegen.core.finding import Finding, Verdict, shortened, worst
from pytest_safegen.core.targets import ScanTarget
from pytest_safegen.judging.messages import capitalized
from pytest_safegen.profiles.model import Bundle

NO_REAL_SCANS = Bundle(
    None,
    problem="this check compares with real scans, and none were given: add --safegen-reference "
    "DIR with the scans the generator was trained on, or --safegen-profile FILE fitted from them",
    headline="No real scans to compare with",
)


def unjudged(
    check: str,
    target: str,
    verdict: Verdict,
    reason: str,
    *,
    headline: str = "",
) -> Finding:
    """A finding that says why there is no judgement; `reason` is a clause or some sentences."""
    text = reason if target and reason.startswith(target) else capitalized(reason)
    text = (text.rstrip(".") or "No reason was given") + "."
    head = shortened(headline) or shortened(text)
    return Finding(check, target, verdict, text, headline=head)


def without_profile(check: str, target: str, bundle: Bundle, verdict: Verdict) -> Finding:
    """The finding of a check that has no profile, for the reason that the bundle gives."""
    if bundle.problem:
        return unjudged(check, target, verdict, bundle.problem, headline=bundle.headline)
    return unjudged(
        check,
        target,
        verdict,
        f"the profile was fitted without the check {check}: fit it again",
        headline="Profile was fitted without this check",
    )


def refusal(
    detector: Detector, target: ScanTarget, bundle: Bundle, unfitted: Verdict
) -> Finding | None:
    """Why a scan cannot be scored at all, as a finding; None if it can.

    `unfitted` is the verdict where the check has no profile.
    """
    check, name, headline = detector.name, target.ref.target, target.headline
    if target.scan is None and not getattr(detector, "judges_unreadable", False):
        return unjudged(check, name, Verdict.ERROR, target.problem, headline=headline)
    if not detector.needs_profile:
        return None
    if check not in bundle.profiles:
        return without_profile(check, name, bundle, unfitted)
    if target.prepared is None:
        return unjudged(check, name, Verdict.INCONCLUSIVE, target.unprepared, headline=headline)
    return None


def unreadable_series(check: str, target: str, scans: Sequence[ScanTarget]) -> Finding:
    """The finding on a series of which no scan can be read."""
    text = " ".join(scan.problem for scan in scans)
    return unjudged(check, target, Verdict.ERROR, text, headline="No timepoint can be read")


def unscored(check: str, target: str, problem: Exception) -> Finding:
    """The finding on a target that a check could not measure, or crashed on."""
    if not isinstance(problem, NotJudged):
        return crashed(check, target, problem)
    return unjudged(
        check,
        target,
        Verdict.INCONCLUSIVE,
        str(problem),
        headline=problem.headline,
    )


def crashed(check: str, target: str, problem: Exception) -> Finding:
    """The finding on a target on which a check crashed."""
    return unjudged(
        check,
        target,
        Verdict.ERROR,
        f"the check crashed ({format_error(problem)}); this is a defect of the check",
        headline=f"Check crashed: {type(problem).__name__}",
    )


def with_unread(finding: Finding, unread: Sequence[str], *, headline: str) -> Finding:
    """The finding at best INCONCLUSIVE if `unread`, sentences on scans that were not read."""
    if not unread:
        return finding
    return replace(
        finding,
        verdict=worst(finding.verdict, Verdict.INCONCLUSIVE),
        reason=f"{finding.reason} Not judged: {' '.join(unread)}",
        headline=finding.headline or headline,
    )
