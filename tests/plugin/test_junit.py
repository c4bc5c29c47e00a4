"""--junitxml agrees with the gate."""

from __future__ import annotations

from xml.etree.ElementTree import Element, parse

import pytest
from gate_project import BAD, Project


def cases(project: Project, *arguments: str) -> dict[str, Element]:
    """The test cases of the JUnit file, by name."""
    project.gate("--junitxml=junit.xml", *arguments)
    found = parse(project.root / "junit.xml").getroot().iter("testcase")  # noqa: S314  our own file
    return {case.attrib["name"]: case for case in found}


def properties(case: Element) -> dict[str, str]:
    """The properties of one test case."""
    return {p.attrib["name"]: p.attrib["value"] for p in case.iter("property")}


def test_a_failing_scan_is_a_failure(project: Project) -> None:
    project.scan("data/a.nii.gz", BAD)
    assert cases(project)["brightness"].find("failure") is not None


def test_the_failure_says_what_is_wrong_and_by_how_much(project: Project) -> None:
    project.scan("data/a.nii.gz", BAD)
    failure = cases(project)["brightness"].find("failure")
    assert failure is not None
    assert "FAIL: Too bright\nscore 2, limit 1 (engineering default)" in (failure.text or "")


def test_the_message_of_a_failure_is_its_headline(project: Project) -> None:
    project.scan("data/a.nii.gz", BAD)
    failure = cases(project)["brightness"].find("failure")
    assert failure is not None
    assert failure.attrib["message"] == "FAIL: Too bright"


def test_a_failing_release_verdict_is_a_failure(project: Project) -> None:
    project.scans("data/a.nii.gz", "data/b.nii.gz")
    found = cases(project, "--safegen-threshold=population=<=1")
    assert found["population"].find("failure") is not None


def test_a_passing_release_verdict_is_no_failure(project: Project) -> None:
    project.scan("data/a.nii.gz")
    assert cases(project)["accounting"].find("failure") is None


@pytest.mark.parametrize("name", ["score", "threshold", "mean"])
def test_properties_are_plain_numbers(project: Project, name: str) -> None:
    project.scan("data/a.nii.gz", 0.5)
    value = properties(cases(project)["brightness"])[f"safegen.{name}"]
    assert float(value) == {"score": 0.5, "threshold": 1.0, "mean": 0.25}[name]


def test_the_count_of_tests_holds_the_release_verdicts(project: Project) -> None:
    project.scan("data/a.nii.gz")
    assert set(cases(project)) == {"brightness", "population", "accounting"}
