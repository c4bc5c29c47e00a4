"""Reviews of findings, read from a TOML file; a waiver is a review that lets a failure through.

A review is of one check of one target with one content. A waiver holds for exactly that finding,
until a stated day, and has an owner; one that is expired or stale fails the run.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pytest_safegen.core.digest import content_digest
from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.core.finding import Finding, Verdict
from pytest_safegen.core.scan import ScanRef

WAIVERS_CHECK = "waivers"
TABLE = "review"
NO_TARGET = "this release has no such target"
WAIVABLE = (Verdict.FAIL, Verdict.INCONCLUSIVE)
TEXTS = ("check", "target", "content", "owner", "comment")
KNOWN = {*TEXTS, "judgement", "expires", "reviewed", "verdict", "score"}

Key = tuple[str, str]


class Judgement(StrEnum):
    """A person's judgement of a finding; all but RIGHT waive it."""

    RIGHT = "right"
    FALSE_ALARM = "false-alarm"
    ACCEPTED_RISK = "accepted-risk"


@dataclass(frozen=True, slots=True)
class Review:
    """One entry of the file; `expires` is the last day on which a waiver is in force."""

    check: str
    target: str
    content: str
    judgement: Judgement
    owner: str
    comment: str
    reviewed: date
    expires: date | None = None
    verdict: str = ""
    score: float | None = None

    @property
    def key(self) -> Key:
        """The check and the target that it is of."""
        return self.check, self.target

    @property
    def waives(self) -> bool:
        """True if it is a waiver."""
        return self.judgement is not Judgement.RIGHT

    def is_expired(self, day: date) -> bool:
        """True if the waiver is no longer in force on that day."""
        return self.expires is not None and self.expires < day


@dataclass(frozen=True, slots=True)
class Waivers:
    """The reviews of a run, by check and target, as they are in force on one day."""

    reviews: Mapping[Key, Review] = field(default_factory=dict)
    day: date = date.min

    def applied(self, finding: Finding, refs: Sequence[ScanRef]) -> Finding:
        """The finding with the digest of its content, WAIVED if a review in force says so."""
        if finding.verdict not in WAIVABLE:
            return finding
        finding = replace(finding, content=content_digest(refs))
        review = self.reviews.get((finding.check, finding.target))
        if review is None or not review.waives or self._why_not_in_force(review, finding):
            return finding
        return replace(finding, verdict=Verdict.WAIVED, reason=_waived_reason(review, finding))

    def problems(self, findings: Sequence[Finding], targets: Collection[str]) -> list[str]:
        """A sentence for each waiver that is expired or stale.

        `targets` are those of the release. A waiver of a check that did not run can only expire.
        """
        by_key = {(finding.check, finding.target): finding for finding in findings}
        sentences = []
        for key, review in self.reviews.items():
            if review.waives:
                known = key in by_key or key[1] in targets
                why = self._why_not_in_force(review, by_key.get(key)) if known else NO_TARGET
                sentences += [f"{_name(review)}: {why}."] if why else []
        return sentences

    def verdict(self, findings: Sequence[Finding], targets: Collection[str]) -> Finding:
        """The finding on the waivers themselves: FAIL if one is expired or stale."""
        problems = self.problems(findings, targets)
        if problems:
            headline = f"Expired or stale waivers: {len(problems)}"
            return Finding(WAIVERS_CHECK, "", Verdict.FAIL, " ".join(problems), headline=headline)
        used = [finding for finding in findings if finding.verdict is Verdict.WAIVED]
        days = sorted(r.expires for r in self.reviews.values() if r.waives and r.expires)
        until = f"; the first expires on {days[0]}" if days else ""
        one = len(used) == 1
        return Finding(
            WAIVERS_CHECK,
            "",
            Verdict.PASS,
            f"{len(used)} {'finding is' if one else 'findings are'} waived{until}.",
        )

    def _why_not_in_force(self, review: Review, finding: Finding | None) -> str:
        """Why a waiver is not in force for a finding; empty if it is."""
        if review.is_expired(self.day):
            return f"expired on {review.expires}; review the finding again"
        if finding is None or finding.verdict is Verdict.WAIVED:
            return ""
        if finding.verdict not in WAIVABLE:
            return f"stale, the finding is now {finding.verdict}; remove the waiver"
        if finding.content != review.content:
            return "stale, the content has changed; review the finding again"
        return ""


def read_waivers(path: Path, *, day: date | None = None) -> Waivers:
    """The reviews of a file, in force as of today.

    Raises:
        UsageProblem: a file that cannot be read, or an entry that is not a review.
    """
    reviews = read_reviews(path)
    by_key = {review.key: review for review in reviews}
    if len(by_key) < len(reviews):
        keys = [review.key for review in reviews]
        check, target = next(key for key in keys if keys.count(key) > 1)
        raise UsageProblem(f"{path} has two reviews of {check} for {target}; remove one.")
    return Waivers(by_key, day or today())


def read_reviews(path: Path) -> tuple[Review, ...]:
    """The reviews of a file, in its order; raises UsageProblem as `read_waivers` does."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise UsageProblem(f"The reviews {path} cannot be read: {problem.strerror}.") from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise UsageProblem(f"The reviews {path} are not valid TOML: {problem}.") from problem
    entries = table.get(TABLE, [])
    if set(table) - {TABLE} or not isinstance(entries, list):
        raise UsageProblem(f"{path} may hold nothing but [[{TABLE}]] tables.")
    return tuple(_review(entry, f"Review {n} of {path}") for n, entry in enumerate(entries, 1))


def to_toml(reviews: Sequence[Review]) -> str:
    """The reviews as a file that `read_reviews` reads."""
    head = "# Reviews of findings, bound to the content of the scans. Read by --safegen-waivers.\n"
    return "\n".join([head, *map(_entry, reviews)])


def today() -> date:
    """The day on which waivers are judged, in UTC."""
    return datetime.now(UTC).date()


def _name(review: Review) -> str:
    return f"Waiver of {review.check} for {review.target} by {review.owner}"


def _waived_reason(review: Review, finding: Finding) -> str:
    kind = "a false alarm" if review.judgement is Judgement.FALSE_ALARM else "an accepted risk"
    return (
        f"Waived until {review.expires} by {review.owner} as {kind} ({review.comment}). "
        f"Without the waiver it is {finding.verdict}: {finding.reason}"
    )


def _review(entry: Any, where: str) -> Review:
    if not isinstance(entry, dict):
        raise UsageProblem(f"{where} is not a table.")
    if unknown := sorted(set(entry) - KNOWN):
        raise UsageProblem(f"{where} has the unknown key {unknown[0]!r}.")
    texts = {name: entry.get(name) for name in TEXTS}
    for name, value in texts.items():
        if not isinstance(value, str) or not value.strip():
            raise UsageProblem(f"{where} needs {name!r}, a non-empty text.")
    judgement = _judgement(entry.get("judgement"), where)
    expires = _day(entry, "expires", where)
    if expires is None and judgement is not Judgement.RIGHT:
        raise UsageProblem(f"{where} is a waiver and needs 'expires', a date such as 2027-01-31.")
    return Review(
        **{name: str(value) for name, value in texts.items()},
        judgement=judgement,
        reviewed=_day(entry, "reviewed", where) or date.min,
        expires=expires,
        verdict=str(entry.get("verdict", "")),
        score=_score(entry.get("score")),
    )


def _score(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def _judgement(value: Any, where: str) -> Judgement:
    try:
        return Judgement(value)
    except ValueError as problem:
        names = ", ".join(Judgement)
        raise UsageProblem(
            f"{where} has an invalid judgement, {value!r}: expected one of {names}."
        ) from problem


def _day(entry: Mapping[str, Any], name: str, where: str) -> date | None:
    value = entry.get(name)
    if value is not None and (not isinstance(value, date) or isinstance(value, datetime)):
        raise UsageProblem(
            f"{where} has an invalid {name}, {value!r}: expected a date such as 2027-01-31."
        )
    return value


def _entry(review: Review) -> str:
    texts = [(name, getattr(review, name)) for name in TEXTS]
    texts += [("judgement", review.judgement), ("verdict", review.verdict)]
    lines = [f"{name} = {_text(str(value))}" for name, value in texts if value]
    lines += [] if review.score is None else [f"score = {review.score!r}"]
    days = (("expires", review.expires), ("reviewed", review.reviewed))
    lines += [f"{name} = {day}" for name, day in days if day not in (None, date.min)]
    return f"[[{TABLE}]]\n" + "\n".join(lines) + "\n"


def _text(value: str) -> str:
    """A basic string of TOML; JSON escapes all but DEL as TOML does."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
