"""Whether a change of the code changes what the gate finds.

    python -m benchmarks.findings record before.json [--cases phantoms,brains] [--data DIR]
    python -m benchmarks.findings compare before.json after.json

`record` runs the gate as a user does, on fixed made-up and real scans, and keeps every number that
it finds. `compare` prints each finding that differs (verdicts exactly, numbers by more than 1e-6
of their size) and ends with 1 if there is one. Cases whose real scans are missing are left out.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from pytest_safegen import Scan, ScanRef
from pytest_safegen.testing import (
    canvas_of,
    phantom,
    plant,
    with_gap,
    with_noise_ball,
    write_cohort,
    write_scan,
)

TOLERANCE = 1e-6
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
EXAMPLE = Path(__file__).resolve().parents[1] / "example_project"

Found = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """One run of the gate: `make` lays out data, reference and settings in an empty folder.

    It returns what the command line holds besides.
    """

    name: str
    needs: str
    make: Callable[[Path, Path], Sequence[str]]


def main() -> int:
    """Record or compare; 1 where two records differ."""
    parser = argparse.ArgumentParser(description="Record findings, or compare two records.")
    steps = parser.add_subparsers(required=True)
    record = steps.add_parser("record")
    record.add_argument("output", type=Path)
    record.add_argument("--cases", default=",".join(case.name for case in CASES))
    record.add_argument("--data", type=Path, default=SHARED, help="folder of real scans")
    record.set_defaults(run=_record)
    compare = steps.add_parser("compare")
    compare.add_argument("before", type=Path)
    compare.add_argument("after", type=Path)
    compare.set_defaults(run=_compare)
    asked = parser.parse_args()
    return int(asked.run(asked))


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """A line for each number or verdict that is in both records and differs, or in one only."""
    for key in sorted({*before, *after}):
        if key not in before or key not in after:
            yield f"{key}: only {'before' if key in before else 'after'}"
        elif isinstance(before[key], dict) and isinstance(after[key], dict):
            yield from (f"{key} {line}" for line in differences(before[key], after[key]))
        elif not _same(before[key], after[key]):
            yield f"{key}: {before[key]!r} before, {after[key]!r} after"


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, float) and isinstance(two, float):
        return math.isclose(one, two, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(one == two)


def _record(asked: argparse.Namespace) -> int:
    known = json.loads(asked.output.read_text()) if asked.output.exists() else {}
    for case in (case for case in CASES if case.name in asked.cases.split(",")):
        if case.needs and not (asked.data / case.needs).is_dir():
            print(f"{case.name}: left out, {asked.data / case.needs} is not there")
            continue
        started = time.perf_counter()
        known[case.name] = _judged(case, asked.data)
        asked.output.write_text(json.dumps(known, indent=1, sort_keys=True))
        seconds = time.perf_counter() - started
        print(f"{case.name}: {len(known[case.name])} findings, {seconds:.0f} s", flush=True)
    return 0


def _compare(asked: argparse.Namespace) -> int:
    before, after = (json.loads(path.read_text()) for path in (asked.before, asked.after))
    shared = before.keys() & after.keys()
    lines = [line for case in sorted(shared) for line in differences(before[case], after[case])]
    print("\n".join(lines[:200]))
    count = sum(len(before[case]) for case in shared)
    print(f"{', '.join(sorted(shared))}: {count} findings, {len(lines)} differences")
    return int(bool(lines))


def _judged(case: Case, data: Path) -> Found:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        arguments = [f"--safegen-data={root / 'release'}", *case.make(root, data)]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", *arguments]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        (root / "pytest.ini").write_text("[pytest]\n")
        done = subprocess.run(
            command, cwd=root, env=environment, check=False, capture_output=True, text=True
        )
        results = root / "safegen-report" / "results.jsonl"
        if not results.is_file():
            sys.exit(
                f"{case.name}: the gate ended with {done.returncode}\n{done.stdout}{done.stderr}"
            )
        findings = [json.loads(line) for line in results.read_text().splitlines()]
        return {f"{f['check']} {f['target']}": _numbers(f, results.parent) for f in findings}


def _numbers(finding: Mapping[str, Any], report: Path) -> dict[str, Any]:
    """What of a finding must not change: everything but its words and the time it took."""
    kept = {key: finding[key] for key in ("verdict", "score", "threshold", "p_value", "nearest")}
    measures = {name: float(one["value"]) for name, one in finding["measures"].items()}
    maps = {"heatmap": finding["heatmap"], **finding["layers"]}
    sums = {name: _sums(report / path) for name, path in maps.items() if path}
    return {**kept, "measures": measures, "maps": sums}


def _sums(path: Path) -> dict[str, float]:
    """A map in two numbers, from its voxels as stored."""
    values = np.asarray(nib.load(path).dataobj, dtype=np.float64)
    return {"mean": float(values.mean()), "largest": float(values.max())}


def _phantoms(root: Path, _: Path) -> Sequence[str]:
    """Made-up heads and every method of the anomaly check, trained for a few steps."""
    write_cohort(root / "reference", range(12))
    write_cohort(root / "release", range(50, 53))
    write_scan(with_noise_ball(phantom(53), radius=25)[0], root / "release")
    write_scan(with_gap(phantom(54), radius=25)[0], root / "release")
    copy = replace(phantom(55), voxels=phantom(3).voxels)
    write_scan(copy, root / "release")
    (root / "safegen.toml").write_text(
        'reference = ["reference"]\nexplain = "all"\nheatmaps = "all"\n'
        "[detectors.anomaly]\nexplanation_volumes = 20\n"
        'methods = ["atlas", "image-quality", "artefact-segmentation", "autoencoder", '
        '"diffusion"]\n'
        "[detectors.anomaly.artefact-segmentation]\nsteps = 10\nvolumes = 8\nvalidated = 2\n"
        "[detectors.anomaly.autoencoder]\nchannels = [4, 4, 4, 4, 4]\nlatent = 4\nsteps = 2\n"
        "[detectors.anomaly.diffusion]\nsteps = 1\nbatch = 1\ndraws = 1\n"
        "likelihood_levels = [100]\n"
    )
    return []


def _brains(root: Path, data: Path) -> Sequence[str]:
    """Twenty real brains as reference; ten others, four of them with a fault, and a copy."""
    folder = data / "ixi-t1"
    subjects = sorted(path.name for path in folder.glob("sub-*"))
    for subject in subjects[:20]:
        shutil.copytree(folder / subject, root / "reference" / subject)
    for subject in subjects[20:30]:
        shutil.copytree(folder / subject, root / "release" / subject)
    planted = [("noise-patch", 0.8), ("blur", 0.6), ("inpainted", 0.8), ("ghosting", 0.6)]
    for subject, (fault, strength) in zip(subjects[26:30], planted, strict=True):
        (path,) = (root / "release" / subject).rglob("*.nii.gz")
        _spoil(path, fault, strength)
    (copied,) = (folder / subjects[4]).rglob("*.nii.gz")
    (root / "release" / "sub-copy" / "anat").mkdir(parents=True)
    shutil.copy(copied, root / "release" / "sub-copy" / "anat" / "sub-copy_T1w.nii.gz")
    return [f"--safegen-reference={root / 'reference'}"]


def _spoil(path: Path, fault: str, strength: float) -> None:
    image = nib.load(path)
    ref = ScanRef(path.name, path.name, None, "T1w", path)
    scan = Scan(ref, np.asarray(image.dataobj, dtype=np.float32), image.affine)
    random = np.random.default_rng(7)
    planted = plant(fault, canvas_of(scan), strength=strength, random=random)
    nib.save(nib.Nifti1Image(planted.voxels, image.affine), path)


def _example(root: Path, _: Path) -> Sequence[str]:
    """The example's faulty release with its follow-ups; anomaly has a case of its own."""
    made = root / "made"
    script = [sys.executable, "make_data.py", "--output", str(made)]
    subprocess.run(script, cwd=EXAMPLE, check=True, capture_output=True)
    (made / "release-faulty").rename(root / "release")
    for subject in sorted((made / "reference").glob("sub-*"))[:24]:
        shutil.copytree(subject, root / "reference" / subject.name)
    reference = f"--safegen-reference={root / 'reference'}"
    return [reference, "--safegen-exclude-checks=anomaly", "--safegen-heatmaps=all"]


def _follow_ups(root: Path, data: Path) -> Sequence[str]:
    """Two real patients with multiple sclerosis, twice each, without a reference."""
    shutil.copytree(data / "ms-longitudinal", root / "release")
    return ["--safegen-checks=integrity,longitudinal", "--safegen-heatmaps=all"]


def _chest(root: Path, data: Path) -> Sequence[str]:
    """Crops of chest CT: 16 patients as reference, 4 others and a copy."""
    folder = data / "lidc-nodules"
    patients = sorted(path for path in folder.iterdir() if path.is_dir())
    for patient in patients[:16]:
        shutil.copytree(patient, root / "reference" / patient.name)
    for patient in patients[16:20]:
        shutil.copytree(patient, root / "release" / patient.name)
    shutil.copytree(patients[2], root / "release" / "sub-copy")
    (root / "safegen.toml").write_text(
        '[detectors.anomaly]\nmethods = ["atlas", "image-quality"]\nexplanation_volumes = 0\n'
    )
    return [f"--safegen-reference={root / 'reference'}"]


def _dicom(root: Path, data: Path) -> Sequence[str]:
    """One chest CT as two DICOM series."""
    shutil.copytree(data / "chest-ct-dicom", root / "release" / "sub-01")
    return ["--safegen-checks=integrity,longitudinal"]


CASES = (
    Case("phantoms", "", _phantoms),
    Case("dicom", "chest-ct-dicom", _dicom),
    Case("follow-ups", "ms-longitudinal", _follow_ups),
    Case("chest", "lidc-nodules", _chest),
    Case("brains", "ixi-t1", _brains),
    Case("example", "", _example),
)

if __name__ == "__main__":
    sys.exit(main())
