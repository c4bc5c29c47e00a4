"""Reviews of findings: what a waiver lets through, and when it no longer does."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from pytest_safegen import Finding, ScanRef, UsageProblem, Verdict
from pytest_safegen.core.digest import content_digest
from pytest_safegen.judging.waivers import (
    Judgement,
    Review,
    Waivers,
    read_reviews,
    read_waivers,
    to_toml,
)

DAY = date(2026, 6, 15)
KEY = ("anomaly", "a.nii")


@pytest.fixture
def ref(tmp_path: Path) -> ScanRef:
    path = tmp_path / "a.nii"
    path.write_bytes(b"voxels")
    return ScanRef("a.nii", "a", None, "T1w", path)


def _finding(verdict: Verdict = Verdict.FAIL) -> Finding:
    return Finding(*KEY, verdict, "A strange place.", 2.0, 1.0)


def _review(content: str, **changes: object) -> Review:
    base = Review(
        *KEY, content, Judgement.ACCEPTED_RISK, "Ada", "known phantom", DAY, DAY + timedelta(30)
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def _waivers(review: Review, day: date = DAY) -> Waivers:
    return Waivers({review.key: review}, day)


def test_a_waiver_lets_its_finding_through_and_names_its_owner(ref: ScanRef) -> None:
    finding = _waivers(_review(content_digest([ref]))).applied(_finding(), [ref])
    assert finding.verdict is Verdict.WAIVED
    assert not finding.verdict.blocks
    assert finding.reason == (
        "Waived until 2026-07-15 by Ada as an accepted risk (known phantom). "
        "Without the waiver it is FAIL: A strange place."
    )


def test_a_finding_that_could_be_waived_has_the_digest_of_its_content(ref: ScanRef) -> None:
    assert Waivers().applied(_finding(), [ref]).content == content_digest([ref])


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.WARN, Verdict.ERROR])
def test_other_verdicts_stay_as_they_are(ref: ScanRef, verdict: Verdict) -> None:
    given_ = _finding(verdict)
    assert _waivers(_review(content_digest([ref]))).applied(given_, [ref]) == given_


def test_a_review_that_confirms_a_finding_waives_nothing(ref: ScanRef) -> None:
    review = _review(content_digest([ref]), judgement=Judgement.RIGHT, expires=None)
    assert _waivers(review).applied(_finding(), [ref]).verdict is Verdict.FAIL


def test_a_waiver_is_in_force_on_its_last_day_and_not_after(ref: ScanRef) -> None:
    review = _review(content_digest([ref]))
    last = DAY + timedelta(30)
    verdicts = [
        _waivers(review, day).applied(_finding(), [ref]).verdict
        for day in (last, last + timedelta(1))
    ]
    assert verdicts == [Verdict.WAIVED, Verdict.FAIL]


def test_one_changed_byte_ends_a_waiver(ref: ScanRef) -> None:
    waivers = _waivers(_review(content_digest([ref])))
    ref.path.write_bytes(b"voxelz")
    finding = waivers.applied(_finding(), [ref])
    assert finding.verdict is Verdict.FAIL
    (problem,) = waivers.problems([finding], {"a.nii"})
    assert "stale, the content has changed" in problem


def test_a_waiver_of_another_check_or_target_does_not_count(ref: ScanRef) -> None:
    for change in ({"check": "other"}, {"target": "b.nii"}):
        waivers = _waivers(_review(content_digest([ref]), **change))
        assert waivers.applied(_finding(), [ref]).verdict is Verdict.FAIL


def test_a_waiver_of_what_no_longer_fails_is_stale() -> None:
    (problem,) = _waivers(_review("x")).problems([_finding(Verdict.PASS)], {"a.nii"})
    assert "stale, the finding is now PASS" in problem


def test_a_waiver_of_a_check_that_did_not_run_is_no_problem() -> None:
    assert _waivers(_review("x")).problems([], {"a.nii"}) == []


def test_a_waiver_of_a_target_that_is_gone_is_stale() -> None:
    (problem,) = _waivers(_review("x")).problems([], {"b.nii"})
    assert problem == "Waiver of anomaly for a.nii by Ada: this release has no such target."


def test_an_expired_waiver_fails_even_where_its_check_did_not_run() -> None:
    waivers = _waivers(_review("x"), DAY + timedelta(31))
    finding = waivers.verdict([], {"a.nii"})
    assert (finding.verdict, finding.headline) == (Verdict.FAIL, "Expired or stale waivers: 1")


def test_a_waiver_in_force_makes_the_waivers_pass_and_says_how_many(ref: ScanRef) -> None:
    waivers = _waivers(_review(content_digest([ref])))
    finding = waivers.applied(_finding(), [ref])
    verdict = waivers.verdict([finding], {"a.nii"})
    assert (verdict.verdict, verdict.reason) == (
        Verdict.PASS,
        "1 finding is waived; the first expires on 2026-07-15.",
    )


def test_the_content_does_not_depend_on_where_the_file_lies(ref: ScanRef, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "b.nii"
    moved.parent.mkdir()
    moved.write_bytes(b"voxels")
    assert content_digest([dataclasses.replace(ref, path=moved, target="b.nii")]) == content_digest(
        [ref]
    )


@pytest.mark.parametrize("change", [{"months": 3.0}, {"labels": {"treated": "yes"}}])
def test_the_metadata_of_a_scan_belong_to_its_content(ref: ScanRef, change) -> None:
    assert content_digest([dataclasses.replace(ref, **change)]) != content_digest([ref])


def test_the_mask_belongs_to_the_content(ref: ScanRef, tmp_path: Path) -> None:
    mask = tmp_path / "mask.nii"
    mask.write_bytes(b"mask")
    assert content_digest([dataclasses.replace(ref, mask=mask)]) != content_digest([ref])


anything = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(anything, anything, anything, st.none() | st.floats(allow_nan=False, allow_infinity=False))
def test_reviews_survive_the_file(tmp_path_factory, target, owner, comment, score) -> None:
    review = _review("x", target=target, owner=owner, comment=comment, score=score)
    path = tmp_path_factory.mktemp("reviews") / "reviews.toml"
    path.write_text(to_toml([review]), encoding="utf-8", newline="")
    assert read_reviews(path) == (review,)


GOOD = to_toml([_review("x")])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[review]\n", "not valid TOML"),
        ("other = 1\n", "nothing but \\[\\[review\\]\\] tables"),
        ("review = 1\n", "nothing but \\[\\[review\\]\\] tables"),
        (GOOD.replace('owner = "Ada"\n', ""), "Review 1 of .* needs 'owner'"),
        (GOOD.replace('"Ada"', '" "'), "needs 'owner'"),
        (
            GOOD.replace("accepted-risk", "fine"),
            "invalid judgement, 'fine': expected one of right, false",
        ),
        (GOOD.replace("expires = 2026-07-15\n", ""), "needs 'expires'"),
        (GOOD.replace("= 2026-07-15", '= "soon"'), "invalid expires, 'soon': expected a date"),
        (GOOD + "extra = 1\n", "unknown key 'extra'"),
        (GOOD + GOOD, "two reviews of anomaly for a.nii"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_one_sentence(tmp_path, text, words) -> None:
    path = tmp_path / "reviews.toml"
    path.write_text(text)
    with pytest.raises(UsageProblem, match=words):
        read_waivers(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"none\.toml cannot be read"):
        read_waivers(tmp_path / "none.toml")
