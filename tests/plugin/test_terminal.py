"""What the terminal shows of failures: each cause once, its headline first."""

from __future__ import annotations

import pytest
from gate_project import BAD, Project, outcomes

pytestmark = pytest.mark.slow

NO_REFERENCE = "No real scans to compare with"
SCANS = 6


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that cuts no line, and no machine of CI, where pytest cuts none either."""
    monkeypatch.setenv("COLUMNS", "300")
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cohort(project: Project) -> Project:
    """Six scans, for a check that needs a reference which is not given."""
    project.scans(*(f"data/s{n}.nii.gz" for n in range(SCANS)))
    return project


@pytest.fixture
def many(project: Project) -> Project:
    """A scan for each of 23 causes."""
    conftest = project.root / "conftest.py"
    text = conftest.read_text(encoding="utf-8")
    conftest.write_text(text.replace('"too bright"', 'f"fault {value:.0f}"'), encoding="utf-8")
    for number in range(23):
        project.scan(f"data/s{number:02}.nii.gz", 2 + number)
    return project


def failures(result: pytest.RunResult) -> str:
    """The section of the gate's failures."""
    return result.stdout.str().partition(" safegen failures ")[2].partition(" safegen =")[0]


def sections(result: pytest.RunResult) -> list[str]:
    """The headings of the gate's failures."""
    text = failures(result)
    return [line.strip("_ ") for line in text.splitlines() if line.startswith("__")]


def summary(result: pytest.RunResult) -> list[str]:
    """The failures in the short test summary."""
    return [line for line in result.outlines if line.startswith("FAILED")]


@pytest.mark.parametrize("options", [(), ("--tb=short",), ("-n2",)], ids=["auto", "short", "-n2"])
def test_a_cause_that_scans_share_has_one_section(
    cohort: Project, options: tuple[str, ...]
) -> None:
    result = cohort.gate(*options, checks="likeness")
    assert sections(result) == ["likeness: 6 failures"]
    assert failures(result).count(NO_REFERENCE) == 1
    assert "  s0.nii.gz\n  s1.nii.gz\n" in failures(result)


@pytest.mark.parametrize("options", [(), ("-n2",), ("--tb=no",), ("-v",)])
def test_every_scan_fails_however_it_is_shown(cohort: Project, options: tuple[str, ...]) -> None:
    assert outcomes(cohort.gate(*options, checks="likeness"))["failed"] == SCANS


def test_tb_line_gives_a_line_for_each_cause(cohort: Project) -> None:
    result = cohort.gate("--tb=line", checks="likeness")
    assert sections(result) == []
    (line,) = [
        line for line in result.outlines if line.startswith("data/s0.nii.gz::likeness (+5 more): ")
    ]
    assert f"ERROR: {NO_REFERENCE}" in line


def test_tb_no_leaves_the_short_test_summary_alone(cohort: Project) -> None:
    result = cohort.gate("--tb=no", checks="likeness")
    result.stdout.no_fnmatch_line("*safegen failures*")
    assert len(summary(result)) == 1


def test_the_short_test_summary_has_a_line_for_each_cause(cohort: Project) -> None:
    (line,) = summary(cohort.gate(checks="likeness"))
    start = f"FAILED data/s0.nii.gz::likeness (+5 more) - ERROR: {NO_REFERENCE}"
    assert line.startswith(start)


def test_with_v_the_short_test_summary_has_a_line_for_each_failure(cohort: Project) -> None:
    result = cohort.gate("-v", checks="likeness")
    starts = [f"FAILED data/s{n}.nii.gz::likeness - ERROR: " for n in range(SCANS)]
    assert [line[: len(start)] for line, start in zip(summary(result), starts, strict=True)] == (
        starts
    )


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["alone", "-n2"])
def test_headline_then_numbers(project: Project, options: tuple[str, ...]) -> None:
    project.scan("data/a.nii.gz", BAD)
    result = project.gate(*options, checks="brightness")
    result.stdout.fnmatch_lines(
        [
            "*_ data/a.nii.gz::brightness _*",
            "FAIL: Too bright",
            "score 2, limit 1 (engineering default)",
            "FAILED data/a.nii.gz::brightness - FAIL: Too bright",
        ]
    )


def test_twenty_causes_have_a_section_and_the_rest_a_line(many: Project) -> None:
    result = many.gate(checks="brightness")
    assert len(sections(result)) == 20
    result.stdout.fnmatch_lines(["... and 3 more, see the report: safegen-report/index.html"])
    assert len(summary(result)) == 23


def test_tb_line_stops_after_twenty_causes_too(many: Project) -> None:
    result = many.gate("--tb=line", checks="brightness")
    result.stdout.fnmatch_lines(["data/s19*FAIL: Fault 21", "... and 3 more, see the report: *"])
    result.stdout.no_fnmatch_line("data/s20*: FAIL*")


def test_a_run_that_stops_at_once_shows_what_stopped_it(many: Project) -> None:
    result = many.gate("-x", checks="brightness")
    assert sections(result) == ["data/s00.nii.gz::brightness", "safegen-gate::accounting"]


def test_a_failing_verdict_on_the_release_has_a_section(cohort: Project) -> None:
    result = cohort.gate("--safegen-threshold=population=<=1")
    assert sections(result) == ["safegen-gate::population"]


def test_own_tests_fail_with_their_traceback_as_ever(cohort: Project) -> None:
    cohort.write("test_own.py", "def test_own(): assert 1 == 2\n")
    result = cohort.gate(checks="likeness")
    result.stdout.fnmatch_lines(
        ["*= FAILURES =*", ">*assert 1 == 2", "*safegen failures*", "FAILED test_own.py::test_own*"]
    )


def test_own_tests_over_the_data_fail_with_their_traceback_as_ever(project: Project) -> None:
    project.scan("data/a.nii.gz")
    project.write("test_own.py", "def test_own(safegen_scan): assert 1 == 2\n")
    result = project.gate(checks="brightness")
    result.stdout.fnmatch_lines(["*= FAILURES =*", ">*assert 1 == 2"])
    assert sections(result) == []


def test_what_a_failing_check_printed_is_shown(project: Project) -> None:
    project.scan("data/a.nii.gz", BAD)
    conftest = project.root / "conftest.py"
    text = conftest.read_text(encoding="utf-8")
    conftest.write_text(text.replace("    value = float", '    print("note")\n    value = float'))
    result = project.gate(checks="brightness")
    result.stdout.fnmatch_lines(["*- Captured stdout call -*", "note"])


def test_a_green_run_ends_in_green(project: Project) -> None:
    project.scan("data/a.nii.gz")
    assert "\x1b[31m" not in project.gate("--color=yes").outlines[-1]


def test_a_green_run_has_no_section_of_failures(project: Project) -> None:
    project.scan("data/a.nii.gz")
    result = project.gate()
    result.stdout.no_fnmatch_line("*safegen failures*")
    result.stdout.fnmatch_lines(["report: safegen-report/index.html"])
