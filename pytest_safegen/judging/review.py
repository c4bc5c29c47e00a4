"""What `safegen review` does: list reviews, take in new ones, and learn limits from them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

from pytest_safegen.core.atomic_io import write_text
from pytest_safegen.core.finding import Finding, Run, calibration_of
from pytest_safegen.judging.waivers import Judgement, Review, Waivers, read_reviews, to_toml


@dataclass(frozen=True, slots=True)
class Choice:
    """One possible limit: what it would do to the marked findings and to the others of a run."""

    limit: float
    alarms_kept: int
    right_kept: int
    others_let_through: int
    real_failed: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the reviews of one check say of its limit; the first choice is the present limit.

    `modality` is that of the scans, where the check has a limit for each.
    """

    check: str
    alarms: int
    right: int
    real: int
    present: Choice
    proposed: Choice | None
    choices: tuple[Choice, ...]
    why_not: str = ""
    modality: str = ""


def review_lines(reviews: Sequence[Review], day: date, run: Run | None = None) -> Iterator[str]:
    """A line a review: its state, what it speaks of, who says what, until when."""
    waivers = Waivers({review.key: review for review in reviews}, day)
    findings = {(f.check, f.target): f for f in run.findings} if run else {}
    for review in reviews:
        state = state_of(review, waivers, findings)
        until = f"until {review.expires}" if review.expires else "for ever"
        parts = (state, review.check, review.target, review.judgement, until, review.owner)
        yield "\t".join((*parts, review.comment))


def state_of(review: Review, waivers: Waivers, findings: Mapping[tuple[str, str], Finding]) -> str:
    """`noted`, `in force`, `expired` or `stale`; stale can only be seen with findings."""
    if not review.waives:
        return "noted"
    if review.is_expired(waivers.day):
        return "expired"
    finding = findings.get(review.key)
    if not findings:
        return "in force"
    alone = Waivers({review.key: review}, waivers.day)
    targets = {target for _, target in findings}
    stale = alone.problems([finding] if finding else [], targets)
    return "stale" if stale else "in force"


def import_reviews(path: Path, new: Sequence[Path]) -> int:
    """Add the reviews of some files to one, the latest of a check and target; how many changed."""
    known = {review.key: review for review in read_reviews(path)} if path.is_file() else {}
    changed = 0
    for review in (review for file in new for review in read_reviews(file)):
        before = known.get(review.key)
        if before is None or (before != review and before.reviewed <= review.reviewed):
            known[review.key] = review
            changed += 1
    write_text(path, to_toml(list(known.values())))
    return changed


def proposals(reviews: Sequence[Review], run: Run) -> list[Proposal]:
    """For each check with a marked false alarm, a limit that would have spared it, if there is one.

    Where a check is calibrated for each modality, each has a proposal of its own.

    A finding that is right, or a risk that someone accepted, should go on failing.
    """
    found = []
    modalities = {(f.check, f.target): f.modality for f in run.findings}
    for check, modality in sorted({(r.check, modalities.get(r.key, "")) for r in reviews}):
        own = [r for r in reviews if (r.check, modalities.get(r.key, "")) == (check, modality)]
        marked = [r for r in own if r.score is not None]
        alarms = [r.score for r in marked if r.judgement is Judgement.FALSE_ALARM and r.score]
        right = [r.score for r in marked if r.judgement is not Judgement.FALSE_ALARM and r.score]
        keys = {r.key for r in marked}
        proposal = _proposal(check, alarms, right, keys, run, modality=modality)
        if proposal is not None:
            found.append(proposal)
    return found


def proposal_lines(proposal: Proposal) -> Iterator[str]:
    """A proposal in lines for a terminal."""
    scans = f" ({proposal.modality})" if proposal.modality else ""
    yield (
        f"{proposal.check}{scans}: {proposal.alarms} marked as false alarms, "
        f"{proposal.right} as right or accepted; {proposal.real} real scans in the calibration"
    )
    yield "  limit      false alarms left  right ones kept  others let through  real scans failing"
    for choice in proposal.choices:
        mark = "present" if choice is proposal.present else ""
        mark = "proposed" if choice is proposal.proposed else mark
        yield (
            f"  {choice.limit:<9.4g}  {choice.alarms_kept:>17}  {choice.right_kept:>15}  "
            f"{choice.others_let_through:>18}  {choice.real_failed:>18}  {mark}".rstrip()
        )
    if proposal.proposed is None:
        yield f"  No other limit is proposed: {proposal.why_not}."
    else:
        yield (
            f"  To take it: --safegen-threshold '{proposal.check}=<={proposal.proposed.limit:.6g}' "
            f"(nothing was changed{_all_modalities(proposal)})."
        )


def _all_modalities(proposal: Proposal) -> str:
    return "; it holds for scans of every modality" if proposal.modality else ""


@dataclass(frozen=True, slots=True)
class _Marked:
    """The scores that a limit of one check is weighed by, and the present limit."""

    alarms: Sequence[float]
    right: Sequence[float]
    others: Sequence[float]
    real: Sequence[float]
    limit: float

    def choice(self, at: float) -> Choice:
        """What a limit would do."""
        return Choice(
            at,
            sum(score > at for score in self.alarms),
            sum(score > at for score in self.right),
            sum(self.limit < score <= at for score in self.others),
            sum(score > at for score in self.real),
        )


def _proposal(
    check: str,
    alarms: Sequence[float],
    right: Sequence[float],
    marked: set[tuple[str, str]],
    run: Run,
    *,
    modality: str,
) -> Proposal | None:
    own = [f for f in run.findings if (f.check, f.modality) == (check, modality)]
    limit = _limit(own)
    if not alarms or limit is None:
        return None
    calibration = calibration_of(run, check, modality)
    real = list(calibration.scores) if calibration else []
    scores = _Marked(alarms, right, _unmarked(own, marked), real, limit)
    present = scores.choice(limit)
    candidates = [scores.choice(at) for at in _between([*alarms, *right], limit)]
    best = max(candidates, key=_worth, default=None)
    better = best if best is not None and _worth(best) > _worth(present) else None
    why_not = "" if better else "it would let as many right findings through as false alarms"
    choices = (present, *candidates)
    return Proposal(
        check, len(alarms), len(right), len(real), present, better, choices, why_not, modality
    )


def _unmarked(findings: Sequence[Finding], marked: set[tuple[str, str]]) -> list[float]:
    """The scores of the findings that nobody has marked."""
    return [
        finding.score
        for finding in findings
        if finding.score is not None and (finding.check, finding.target) not in marked
    ]


def _worth(choice: Choice) -> tuple[int, float]:
    """Right findings kept, less false alarms left; of equal ones the stricter limit."""
    return choice.right_kept - choice.alarms_kept, -choice.limit


def _between(scores: Sequence[float], limit: float) -> list[float]:
    """Limits above the present one: halfway between marked scores, and just above the highest."""
    above = sorted({score for score in scores if score > limit and math.isfinite(score)})
    halves = [(low + high) / 2 for low, high in pairwise(above)]
    return [*halves, above[-1] * 1.01] if above else []


def _limit(findings: Sequence[Finding]) -> float | None:
    limits = {finding.threshold for finding in findings if finding.threshold is not None}
    return limits.pop() if len(limits) == 1 else None
