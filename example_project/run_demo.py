"""Run the gate on both releases and compare its findings with the planted faults.

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
class Detection:
    """The verdict and headline on a planted fault; both empty if there is no finding."""

    fault: Planted
    verdict: str = ""
    headline: str = ""

    @property
    def caught(self) -> bool:
        """True for FAIL; a file that cannot be read may be an ERROR instead."""
        return self.verdict == "FAIL" or (self.fault.check, self.verdict) == ("integrity", "ERROR")


def main() -> int:
    """Judge both releases and print what was caught."""
    findings = {name: _judge(name) for name in RELEASES}
    planted = [Planted(**row) for row in read_table(DATA / "planted.tsv")]
    detections = [detection_of(fault, findings["faulty"]) for fault in planted]
    clean: dict[str, list[str]] = {}
    for name in RELEASES:
        scans = [row["path"] for row in read_table(_release(name) / "safegen.tsv")]
        clean |= problems_of_clean(scans, findings[name], planted=planted)
    _print_detections(detections)
    _print_clean(clean)
    for name in RELEASES:
        print(f"Report on the {name} release: {_report(name) / 'index.html'}")
    caught = all(detection.caught for detection in detections)
    return 0 if caught and pass_rate(clean) >= PASS_RATE else 1


def _judge(release: str) -> list[Finding]:
    """Run pytest as a user would and read the findings."""
    data, report = _release(release), _report(release)
    print(f"\nJudging {data.relative_to(HERE)} ...", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "--tb=line", "--no-header"]
    options = [f"--safegen-data={data}", f"--safegen-report={report}"]
    code = subprocess.run([*command, *options], cwd=HERE, check=False).returncode  # noqa: S603 only arguments of our own
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


def detection_of(fault: Planted, findings: Sequence[Finding]) -> Detection:
    """The finding on a planted fault by the check that must find it."""
    found = [finding for finding in findings if _concerns(finding, fault)]
    return (
        Detection(fault, found[0]["verdict"], headline_of(found[0])) if found else Detection(fault)
    )


def headline_of(finding: Finding) -> str:
    """The headline, or the full sentence of a finding without one."""
    return str(finding.get("headline") or finding["reason"])


def _concerns(finding: Finding, fault: Planted) -> bool:
    """True for a finding on the fault's target, or on the release with the target in its reason."""
    on_release = finding["target"] == "" and fault.target in finding["reason"]
    return finding["check"] == fault.check and (finding["target"] == fault.target or on_release)


def problems_of_clean(
    scans: Sequence[str], findings: Sequence[Finding], *, planted: Sequence[Planted]
) -> dict[str, list[str]]:
    """What blocks each clean scan or its series; [] where it passes."""
    faulty = {fault.target.split("/")[0] for fault in planted}
    clean = [scan for scan in scans if scan.split("/")[0] not in faulty]
    return {scan: _problems(scan, findings) for scan in clean}


def _problems(scan: str, findings: Sequence[Finding]) -> list[str]:
    if not any(finding["target"] == scan for finding in findings):
        return ["no finding"]
    names = (scan, scan.split("/")[0])
    blocking = [f for f in findings if f["target"] in names and f["verdict"] in BLOCKING]
    return [f"{f['check']} {f['verdict']}: {headline_of(f)}" for f in blocking]


def pass_rate(clean: Mapping[str, Sequence[str]]) -> float:
    """The share of clean scans without a problem, 0 to 1."""
    return sum(not problems for problems in clean.values()) / max(len(clean), 1)


def _print_detections(detections: Sequence[Detection]) -> None:
    caught = sum(detection.caught for detection in detections)
    print(f"\nPlanted faults: {caught} of {len(detections)} caught by the check meant for them.\n")
    for detection in detections:
        mark = "caught" if detection.caught else "MISSED"
        fault, verdict = detection.fault, detection.verdict or "no finding"
        print(f"{mark}  {fault.check:<13} {fault.what:<36} {verdict:<5}")
        print(f"        {fault.target}: {detection.headline}")


def _print_clean(clean: Mapping[str, Sequence[str]]) -> None:
    passed = sum(not problems for problems in clean.values())
    print(f"\nClean scans: {passed} of {len(clean)} pass ({pass_rate(clean):.1%}).")
    for scan, problems in clean.items():
        for problem in problems:
            print(f"        {scan}: {problem}")
    print()


if __name__ == "__main__":
    sys.exit(main())
