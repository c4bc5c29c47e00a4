from __future__ import annotations

import csv
import dataclasses
from io import StringIO

import pytest
from report_site import HEADLINE, HOSTILE, Site

from pytest_safegen import Calibration, Finding, Verdict
from safegen_reports.text import findings_csv, summary_markdown


def test_the_summary_begins_with_the_verdict(site: Site) -> None:
    assert summary_markdown(site.run).startswith("# FAIL: gen \\<1\\> 2.0\n")


def test_the_summary_has_accounting_checks_and_findings(site: Site) -> None:
    text = (site.folder / "summary.md").read_text(encoding="utf-8")
    assert "- accounting: discovered 4, collected 4, judged 4, reported 4" in text
    assert "| anomaly | 1 | 0 | 0 | 0 | 0 | 2 | 8 held out |" in text
    assert "- FAIL anomaly `sub-2_a.nii`: **Strange \\<b\\>place\\</b\\>, 9 ml**\n" in text
    assert "  - score 2.5, limit 1 (8 held out)\n  - A \\<b\\>strange\\</b\\> place." in text


def test_the_summary_names_the_limits_of_every_modality(site: Site) -> None:
    known = {"anomaly": {"T1w": Calibration((0.1,), "8 T1w"), "T2w": Calibration((0.2,), "9 T2w")}}
    text = summary_markdown(dataclasses.replace(site.run, calibrations=known))
    assert "| anomaly | 1 | 0 | 0 | 0 | 0 | 2 | T1w: 8 T1w; T2w: 9 T2w |" in text


def test_a_name_breaks_out_of_no_code_and_no_line(site: Site) -> None:
    name = "a`b\n# c"
    odd = dataclasses.replace(
        site.run, findings=(Finding("mine", name, Verdict.FAIL, "a\n# b | c"),)
    )
    assert "- FAIL mine `a'b # c`: **a**\n  - a \\# b \\| c" in summary_markdown(odd)


def test_of_many_findings_the_rest_is_counted(site: Site) -> None:
    findings = tuple(Finding("mine", f"{n}", Verdict.FAIL, f"No {n}.") for n in range(60))
    assert "and 10 more in findings.csv" in summary_markdown(
        dataclasses.replace(site.run, findings=findings)
    )


def test_a_run_that_does_not_block_says_so(site: Site) -> None:
    assert "does not block" in summary_markdown(dataclasses.replace(site.run, mode="record"))


def test_findings_with_one_headline_are_one_line(site: Site) -> None:
    reason = "No real scans to compare with."
    findings = tuple(
        Finding(check, f"{n}.nii", Verdict.INCONCLUSIVE, reason)
        for check in ("anomaly", "memorization")
        for n in range(120)
    )
    text = summary_markdown(dataclasses.replace(site.run, findings=findings))
    headline = "**No real scans to compare with: 240 findings**"
    assert f"- INCONCLUSIVE {headline} (anomaly 120, memorization 120)" in text
    assert "`4.nii` and 115 more" in text


def test_the_table_has_a_column_of_headlines(site: Site) -> None:
    rows = list(csv.DictReader(StringIO(findings_csv(site.run.findings))))
    assert [row["headline"] for row in rows[:2]] == ["", HEADLINE]


def test_the_table_has_a_line_a_finding(site: Site) -> None:
    with (site.folder / "findings.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["target"] for row in rows] == [f.target for f in site.run.findings]
    assert HOSTILE in {row["target"] for row in rows}
    assert rows[1]["score"] == "2.5"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    (row,) = csv.DictReader(StringIO(findings_csv([Finding("mine", text, Verdict.FAIL, text)])))
    assert (row["target"], row["reason"]) == ("'" + text, "'" + text)
