"""Run the gate on both releases and compare what it says with what was planted.

Exit code 0 if every planted fault fails by the check that must find it and at least 95 % of the
clean scans pass, 1 otherwise.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
RELEASES = ("clean", "faulty")
BLOCKING = {"FAIL", "ERROR", "INCONCLUSIVE"}
PASS_RATE = 0.95

Finding = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Planted:
    """One planted fault: the scan or series, the check that must fail, what was done."""

    target: str
    check: str
    what: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the check that must find a planted fault said of it; empty if it said nothing."""

    fault: Planted
    verdict: str
    reason: str

    @property
    def caught(self) -> bool:
        """True for FAIL; a file that cannot be read may be an ERROR instead."""
        return self.verdict == "FAIL" or (self.fault.check, self.verdict) == ("integrity", "ERROR")


def main() -> int:
    """Judge both releases and print what was caught."""
    findings = {name: _judge(name) for name in RELEASES}
    planted = [Planted(**row) for row in read_table(DATA / "planted.tsv")]
    answers = [answer(fault, findings["faulty"]) for fault in planted]
    clean: dict[str, list[str]] = {}
    for name in RELEASES:
        scans = [row["path"] for row in read_table(_release(name) / "safegen.tsv")]
        clean |= problems_of_clean(scans, findings[name], planted=planted)
    _print_answers(answers)
    _print_clean(clean)
    for name in RELEASES:
        print(f"Report on the {name} release: {_report(name) / 'index.html'}")
    caught = all(answer.caught for answer in answers)
    return 0 if caught and pass_rate(clean) >= PASS_RATE else 1


def _judge(release: str) -> list[Finding]:
    """Run pytest as a user would and read the findings."""
    data, report = _release(release), _report(release)
    print(f"\nJudging {data.relative_to(HERE)} ...", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "--tb=line", "--no-header"]
    options = [f"--safegen-data={data}", f"--safegen-report={report}"]
    code = subprocess.run([*command, *options], cwd=HERE, check=False).returncode  # noqa: S603 (our own words only)
    if code not in (0, 1):
        sys.exit(f"pytest could not judge {data}: it ended with exit code {code}.")
    lines = (report / "results.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _release(release: str) -> Path:
    return DATA / f"release-{release}"


def _report(release: str) -> Path:
    return HERE / f"safegen-report-{release}"


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a tab-separated file by column."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def answer(fault: Planted, findings: Sequence[Finding]) -> Answer:
    """What the findings say of a planted fault."""
    said = [finding for finding in findings if _speaks_of(finding, fault)]
    if not said:
        return Answer(fault, "", "nothing was said of it")
    return Answer(fault, said[0]["verdict"], said[0]["reason"])


def _speaks_of(finding: Finding, fault: Planted) -> bool:
    """A finding on the release as a whole speaks of the scans that its reason names."""
    of_all = finding["target"] == "" and fault.target in finding["reason"]
    return finding["check"] == fault.check and (finding["target"] == fault.target or of_all)


def problems_of_clean(
    scans: Sequence[str], findings: Sequence[Finding], *, planted: Sequence[Planted]
) -> dict[str, list[str]]:
    """What blocks each scan in which nothing is planted, or its series; [] where it passes."""
    spoiled = {fault.target.split("/")[0] for fault in planted}
    clean = [scan for scan in scans if scan.split("/")[0] not in spoiled]
    return {scan: _problems(scan, findings) for scan in clean}


def _problems(scan: str, findings: Sequence[Finding]) -> list[str]:
    if not any(finding["target"] == scan for finding in findings):
        return ["nothing was said of it"]
    names = (scan, scan.split("/")[0])
    blocking = [f for f in findings if f["target"] in names and f["verdict"] in BLOCKING]
    return [f"{f['check']} {f['verdict']}: {f['reason']}" for f in blocking]


def pass_rate(clean: Mapping[str, Sequence[str]]) -> float:
    """The share of clean scans without a problem, 0 to 1."""
    return sum(not problems for problems in clean.values()) / max(len(clean), 1)


def _print_answers(answers: Sequence[Answer]) -> None:
    caught = sum(answer.caught for answer in answers)
    print(f"\nPlanted faults: {caught} of {len(answers)} fail by the check that must find them.\n")
    for answer in answers:
        mark = "caught" if answer.caught else "MISSED"
        fault = answer.fault
        print(f"{mark}  {fault.check:<13} {fault.what:<36} {answer.verdict or 'silent':<5}")
        print(f"        {fault.target}: {answer.reason}")


def _print_clean(clean: Mapping[str, Sequence[str]]) -> None:
    passed = sum(not problems for problems in clean.values())
    print(f"\nClean scans: {passed} of {len(clean)} pass ({pass_rate(clean):.1%}).")
    for scan, problems in clean.items():
        for problem in problems:
            print(f"        {scan}: {problem}")
    print()


if __name__ == "__main__":
    sys.exit(main())
