"""What cannot be judged is never a pass, and says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from stand_in import StandIn, StubReader, profile_of, raising, ref_of, set_of

from pytest_safegen.core.errors import NotJudged, ReadError
from pytest_safegen.core.finding import Finding, Verdict
from pytest_safegen.core.scan import ScanRef
from pytest_safegen.core.score import Rule
from pytest_safegen.judging.runner import Runner

REFS = [ref_of(f"sub-{n:02d}") for n in range(40)]
NEEDY = {"needs_profile": True, "rules": {"score": Rule(fail_above=10.0)}}
Maker = Callable[..., Runner]


def found(make: Maker, detector: StandIn, *, ref: ScanRef = REFS[1], **asked: Any) -> Finding:
    return make(detector, **asked).scan(detector.name, ref)


def test_what_a_detector_cannot_judge_is_inconclusive(made: Maker) -> None:
    finding = found(made, StandIn(measure=raising(NotJudged("it is too small"))))
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, "It is too small.")


def test_a_refusal_without_a_word_still_has_a_reason_and_a_headline(made: Maker) -> None:
    finding = found(made, StandIn(measure=raising(NotJudged())))
    assert (finding.reason, finding.headline) == ("No reason was given.", "No reason was given")


def test_a_crash_is_an_error_that_names_its_type(made: Maker) -> None:
    finding = found(made, StandIn(measure=raising(ZeroDivisionError("by zero\nand more"))))
    assert finding.verdict is Verdict.ERROR
    assert "ZeroDivisionError: by zero)" in finding.reason


def test_a_scan_that_cannot_be_read_is_an_error(made: Maker, reader: StubReader) -> None:
    reader.broken["sub-01"] = ReadError("sub-01/sub-01.nii.gz is empty. Write it again.")
    finding = found(made, StandIn())
    assert (finding.verdict, finding.reason) == (
        Verdict.ERROR,
        "sub-01/sub-01.nii.gz is empty. Write it again.",
    )


def test_a_reader_that_crashes_is_an_error_naming_the_file(made: Maker, reader: StubReader) -> None:
    reader.broken["sub-01"] = MemoryError()
    finding = found(made, StandIn())
    assert finding.verdict is Verdict.ERROR
    assert finding.reason.startswith("sub-01/sub-01.nii.gz cannot be read")


@pytest.mark.parametrize(
    ("detector", "problem", "headline"),
    [
        (
            StandIn(measure=raising(ZeroDivisionError("by zero"))),
            None,
            "Check crashed: ZeroDivisionError",
        ),
        (StandIn(measure=raising(NotJudged("a b c", headline="Too small"))), None, "Too small"),
        (StandIn(measure=raising(NotJudged("it is flat. Look."))), None, "It is flat"),
        (StandIn(), ReadError("a b c", headline="Truncated file"), "Truncated file"),
        (StandIn(), MemoryError(), "Reader crashed: MemoryError"),
        (StandIn(**NEEDY), None, "No real scans to compare with"),
    ],
)
def test_a_finding_without_judgement_has_a_headline(
    made: Maker, reader: StubReader, detector: StandIn, problem: Exception | None, headline: str
) -> None:
    reader.broken |= {"sub-01": problem} if problem else {}
    assert found(made, detector).headline == headline


@pytest.mark.parametrize(
    ("modality", "headline"),
    [
        ("FLAIR", "No real scans of modality FLAIR"),
        (None, "Unknown modality: cannot choose the real scans"),
    ],
)
def test_a_modality_without_real_scans_has_a_headline(
    made: Maker, modality: str | None, headline: str
) -> None:
    known = set_of(profile_of())
    both = replace(known, bundles={**known.bundles, "T2w": known.bundles["T1w"]})
    ref = ref_of("sub-01", modality=modality)
    assert found(made, StandIn(**NEEDY), profiles=both, ref=ref).headline == headline


@pytest.mark.parametrize(
    ("problem", "headline"),
    [
        (NotJudged("it is flat", headline="All voxels are equal"), "All voxels are equal"),
        (IndexError("oh"), "Preparation crashed: IndexError"),
    ],
)
def test_a_scan_that_cannot_be_prepared_has_a_headline(
    made: Maker, monkeypatch: pytest.MonkeyPatch, problem: Exception, headline: str
) -> None:
    monkeypatch.setattr("pytest_safegen.judging.loader.canonical", raising_two(problem))
    assert found(made, StandIn(**NEEDY), profiles=set_of(profile_of())).headline == headline


def test_a_broken_scan_does_not_stop_the_others(made: Maker, reader: StubReader) -> None:
    reader.broken["sub-01"] = ReadError("broken.")
    pipeline = made(StandIn())
    verdicts = [pipeline.scan("stand-in", ref, upcoming=REFS[1:3]).verdict for ref in REFS[:3]]
    assert verdicts == [Verdict.PASS, Verdict.ERROR, Verdict.PASS]


def test_without_real_scans_a_comparing_check_is_an_error_with_the_way_out(made: Maker) -> None:
    finding = found(made, StandIn(**NEEDY))
    assert finding.verdict is Verdict.ERROR
    assert "--safegen-reference" in finding.reason


def test_a_profile_that_does_not_know_the_check_is_inconclusive(made: Maker) -> None:
    finding = found(made, StandIn(**NEEDY), profiles=set_of(profile_of("other")))
    assert (finding.verdict, "fit it again" in finding.reason) == (Verdict.INCONCLUSIVE, True)


def test_a_modality_without_real_scans_is_inconclusive(made: Maker) -> None:
    known = set_of(profile_of())
    both = replace(known, bundles={**known.bundles, "T2w": known.bundles["T1w"]})
    ref = ref_of("sub-01", modality="FLAIR")
    finding = found(made, StandIn(**NEEDY), profiles=both, ref=ref)
    assert (finding.verdict, "FLAIR" in finding.reason) == (Verdict.INCONCLUSIVE, True)


def test_a_scan_that_cannot_be_prepared_is_inconclusive(
    made: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pytest_safegen.judging.loader.canonical", raising_two(NotJudged("it is flat"))
    )
    finding = found(made, StandIn(**NEEDY), profiles=set_of(profile_of()))
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, "It is flat.")


def test_a_crash_of_the_preparation_is_never_a_pass(
    made: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_safegen.judging.loader.canonical", raising_two(IndexError("oh")))
    finding = found(made, StandIn(**NEEDY), profiles=set_of(profile_of()))
    assert (finding.verdict.blocks, "IndexError" in finding.reason) == (True, True)


def raising_two(problem: Exception) -> Callable[[Any, Any], Any]:
    def canonical(scan: Any, options: Any) -> Any:
        raise problem

    return canonical
