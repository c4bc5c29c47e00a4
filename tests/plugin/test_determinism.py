"""The same data, profile, seed and device give the same findings, byte for byte."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pytest_safegen.faults import canvas_of, plant
from pytest_safegen.judging.self_test import SELF_TEST
from pytest_safegen.testing import phantom, write_scan

pytestmark = pytest.mark.slow

REFERENCE, RELEASE = range(12), range(20, 23)
SETTINGS = """
data = ["synthetic"]
profile = "heads.safegen"
history = "none"
heatmaps = "all"
explain = "none"
self_test = 1

[detectors.anomaly.artefact-segmentation]
steps = 10
volumes = 8
validated = 2
"""
FIT = "import sys; from pytest_safegen.cli.main import main; sys.exit(main())"
CLOSE = 0.01
"""How far scores on a GPU may lie from those on a CPU, as a share of the limit."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the checks that come along, fitted on phantoms, and a small release."""
    root = tmp_path_factory.mktemp("determinism")
    (root / "safegen.toml").write_text(SETTINGS)
    for subject in REFERENCE:
        write_scan(phantom(subject), root / "real")
    for subject in RELEASE:
        write_scan(phantom(subject), root / "synthetic")
    for session in (1, 2):
        write_scan(phantom(30, session=session), root / "synthetic")
    head = phantom(31)
    planted = plant("blur", canvas_of(head), strength=1.0, random=np.random.default_rng(0))
    write_scan(replace(head, voxels=planted.voxels), root / "synthetic")
    write_scan(replace(phantom(3), ref=phantom(32).ref), root / "synthetic")
    command = [sys.executable, "-c", FIT, "fit", "real", "-o", "heads.safegen"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return root


def judged(root: Path, name: str, *, device: str = "cpu") -> Path:
    """The report folder of a run in a process of its own."""
    options = [f"--safegen-report={name}", f"--safegen-device={device}"]
    plain = ["-p", "no:cacheprovider", "-p", "no:randomly"]  # the order of the lines counts too
    command = [sys.executable, "-m", "pytest", "-q", *plain, *options]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout[-2000:]
    return root / name


def findings(report: Path) -> list[dict[str, Any]]:
    """The lines of results.jsonl without what the clock says."""
    lines = (report / "results.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def test_two_runs_find_the_same_byte_for_byte(project: Path) -> None:
    first, second = judged(project, "first"), judged(project, "second")
    assert {line["check"] for line in findings(first)} >= {
        "anomaly",
        "integrity",
        "longitudinal",
        "memorization",
        "metadata",
        SELF_TEST,
    }
    assert findings(first) == findings(second)
    digests = [json.loads((each / "gate.json").read_text())["digests"] for each in (first, second)]
    assert digests[0] == digests[1]
    maps = sorted(path.relative_to(first) for path in (first / "heatmaps").iterdir())
    assert maps
    assert [m for m in maps if (first / m).read_bytes() != (second / m).read_bytes()] == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_finds_what_a_cpu_finds(project: Path) -> None:
    on_cpu, on_gpu = (
        {(line["check"], line["target"]): line for line in findings(judged(project, d, device=d))}
        for d in ("cpu", "cuda")
    )
    assert on_cpu.keys() == on_gpu.keys()
    for key, one in on_cpu.items():
        other = on_gpu[key]
        if one["score"] is None:
            assert other["score"] is None
            continue
        near = CLOSE * abs(one["threshold"] or 1.0)
        assert other["score"] == pytest.approx(one["score"], abs=near), key
        if abs(one["score"] - (one["threshold"] or np.inf)) > near:
            assert other["verdict"] == one["verdict"], key
