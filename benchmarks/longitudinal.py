"""How well the longitudinal check tells consistent series from faulty ones: tables, and JSON.

python -m benchmarks.longitudinal --data FOLDER [--patients 12] [--pairs FOLDER]
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.longitudinal_parts import real
from benchmarks.longitudinal_parts.consistent import CONSISTENT, consistent_series
from benchmarks.longitudinal_parts.fault_inputs import FaultInputs
from benchmarks.longitudinal_parts.faults import FAULTS, HELD_OUT
from benchmarks.longitudinal_parts.image_similarity import image_similarity
from benchmarks.longitudinal_parts.patients import Patient, patient_of
from benchmarks.longitudinal_parts.tables import markdown
from pytest_safegen import Scan, ScanRef, ScanTarget, Series, SeriesTarget
from pytest_safegen.api import NotJudged, discover, write_text
from pytest_safegen.judging.limits import concrete
from pytest_safegen.judging.verdict import judge
from safegen_detectors.longitudinal import LongitudinalDetector

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared" / "data"
RESULTS = REPOSITORY / "benchmarks" / "results" / "longitudinal.json"
TUNING = 8  # patients by whom limits were chosen; the others are reported


def main() -> None:
    """Run, print, write; after every series, so that a stopped run keeps its numbers."""
    arguments = _arguments()
    if arguments.table:
        print(markdown(json.loads(arguments.table.read_text(encoding="utf-8"))))
        return
    content: dict[str, Any] = {"seed": arguments.seed, "part": arguments.part}
    content["series"] = []
    for row in tqdm(_real(arguments), "real pairs"):
        content["series"].append(row)
        _write(arguments.out, content)
    patients = _patients(arguments)
    for number in tqdm(range(len(patients) - 1), "patients"):
        for row in _simulated(patients[number], patients[number + 1], arguments):
            content["series"].append(row)
            _write(arguments.out, content)
    _write(arguments.out, content)
    print(markdown(content))


def _patients(arguments: argparse.Namespace) -> list[Patient]:
    """The patients of a part, and one more, each the stranger of the one before."""
    refs = [series.refs[0] for series in discover(arguments.data.absolute()).series]
    refs = [ref for ref in refs if _labels(arguments.data, ref) is not None]
    random.Random(arguments.seed).shuffle(refs)  # noqa: S311  no secret in it
    refs = refs[:TUNING] if arguments.part == "tuning" else refs[TUNING:]
    chosen = refs[: arguments.patients + 1]
    return [_patient(arguments, ref) for ref in tqdm(chosen, "reading")]


def _patient(arguments: argparse.Namespace, ref: ScanRef) -> Patient:
    labels = _labels(arguments.data, ref)
    return patient_of(ref, Path(str(labels)), _random(arguments.seed, ref.subject))


def _labels(data: Path, ref: ScanRef) -> Path | None:
    return next((data / "derivatives").glob(f"*/{ref.subject}/**/*_dseg.nii.gz"), None)


def _random(seed: int, *words: str) -> np.random.Generator:
    return np.random.default_rng([seed, *(zlib.crc32(word.encode()) for word in words)])


def _simulated(
    patient: Patient, other: Patient, arguments: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    for kind in _wanted([*CONSISTENT, *FAULTS, *HELD_OUT], arguments):
        generator = _random(arguments.seed, patient.ref.subject, kind)
        if kind in CONSISTENT:
            scans, group = consistent_series(patient, kind, generator), "consistent"
        else:
            scans = {**FAULTS, **HELD_OUT}[kind](FaultInputs(patient, other, generator))
            group = "fault" if kind in FAULTS else "held out"
        yield judged(scans, kind=kind, group=group)


def _real(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    if arguments.pairs.is_dir():
        for group, kind, scans in real.series(arguments.pairs, arguments.seed):
            if re.search(arguments.kinds, kind):
                yield judged(scans, kind=kind, group=f"real {group}")


def _wanted(kinds: Sequence[str], arguments: argparse.Namespace) -> list[str]:
    return [kind for kind in kinds if re.search(arguments.kinds, kind)]


def judged(scans: Sequence[Scan], *, kind: str, group: str) -> dict[str, Any]:
    """The verdict of the check, what was out of range, its measures, and its image similarity."""
    detector, begun = LongitudinalDetector(), time.process_time()
    row: dict[str, Any] = {"kind": kind, "group": group, "subject": scans[0].ref.subject}
    try:
        score = detector.open(None, device="cpu").score([_target(scans)])[0]
    except NotJudged as problem:
        return row | {"verdict": "INCONCLUSIVE", "broken": [], "reason": str(problem)}
    spent = time.process_time() - begun
    finding = judge("longitudinal", kind, score, rules=detector.rules)
    broken = [
        measure.name
        for measure in score.measures
        if measure.name in detector.rules and _fails(measure.value, detector, measure.name)
    ]
    return row | {
        "verdict": str(finding.verdict),
        "broken": broken,
        "reason": finding.reason,
        "seconds": spent,
        "visits": len(scans),
        "measures": {measure.name: round(measure.value, 4) for measure in score.measures},
        "image_similarity": image_similarity(scans),
    }


def _fails(value: float, detector: LongitudinalDetector, name: str) -> bool:
    limits = concrete(detector.rules[name], None)
    return value > limits.fail_above or value < limits.fail_below


def _target(scans: Sequence[Scan]) -> SeriesTarget:
    subject = scans[0].ref.subject
    refs = tuple(replace(scan.ref, subject=subject) for scan in scans)
    named = [replace(scan, ref=ref) for scan, ref in zip(scans, refs, strict=True)]
    targets = tuple(ScanTarget(scan.ref, scan) for scan in named)
    return SeriesTarget(Series(subject, subject, refs), targets)


def _write(path: Path, content: dict[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SHARED / "ixi-t1")
    parser.add_argument("--pairs", type=Path, default=SHARED / "ms-longitudinal")
    parser.add_argument("--patients", type=int, default=12)
    parser.add_argument("--part", choices=["tuning", "report"], default="report")
    parser.add_argument("--kinds", default="", help="a regular expression of kinds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--table", type=Path, help="print the tables of such a file, and stop")
    return parser.parse_args()


if __name__ == "__main__":
    main()
