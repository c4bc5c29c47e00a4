"""What a large report costs: seconds and memory to write it, and how it opens in a browser.

    python -m benchmarks.report --scans 10000

Every scan has a finding of each of four checks; 2 in 100 fail `anomaly` and have a heatmap. All
targets share a few files on disk, so that what is measured is the report.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage

from benchmarks.memory import own_peak_mib
from pytest_safegen import (
    Calibration,
    Finding,
    Heatmap,
    Measure,
    Release,
    Run,
    ScanRef,
    Series,
    Verdict,
)
from pytest_safegen.api import Settings
from pytest_safegen.judging.heatmaps import save_heatmap
from pytest_safegen.testing import phantom
from safegen_reports.html.report import write_report

CHECKS = ("anomaly", "memorization", "integrity", "brightness")
FILES = 8
FAILING = 0.02
ENLARGED = 2  # the phantoms have 4 mm voxels, and scans of brains 2 mm
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LONGEST_FRAME = """() => new Promise((done) => {
    const frames = [];
    let last = performance.now(), left = 120;
    const step = (now) => {
        frames.push(now - last);
        last = now;
        scrollBy(0, 600);
        if ((left -= 1) > 0) requestAnimationFrame(step);
        else done(frames.slice(1).sort((a, b) => a - b));
    };
    requestAnimationFrame(step);
})"""


def main() -> None:
    """Print the measurements of one size, and write them as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=10_000)
    parser.add_argument("--picture-budget", type=int, default=Settings(Path()).picture_budget)
    parser.add_argument("--all-fail", action="store_true", help="every scan fails every check")
    parser.add_argument("--output", type=Path, help="JSON file for the measurements")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.build:
        print(json.dumps(_build(asked)))
        return
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.report", *sys.argv[1:], "--build", folder],
            check=True,
            capture_output=True,
            text=True,
        )
        found = json.loads(done.stdout) | _sizes(Path(folder)) | _opened(Path(folder))
    for name, value in found.items():
        print(f"{name:<44} {value}")
    if asked.output:
        asked.output.write_text(json.dumps(found, indent=1) + "\n")


def _build(asked: argparse.Namespace) -> dict[str, Any]:
    run, release = _material(asked.build, asked.scans, all_fail=asked.all_fail)
    before = own_peak_mib()
    wall, cpu = time.perf_counter(), time.process_time()
    write_report(
        run,
        [release],
        asked.build / "report",
        Settings(Path(), picture_budget=asked.picture_budget),
    )
    return {
        "scans": asked.scans,
        "findings": len(run.findings),
        "seconds to write it": round(time.perf_counter() - wall, 1),
        "seconds of processor": round(time.process_time() - cpu, 1),
        "MiB that writing added to the peak": round(own_peak_mib() - before, 1),
    }


def _material(folder: Path, scans: int, *, all_fail: bool) -> tuple[Run, Release]:
    random = np.random.default_rng(0)
    files = [_file(folder / "data", number) for number in range(FILES)]
    heat = _heatmap(files[0])
    report = folder / "report"
    example = save_heatmap(heat, report, Finding("anomaly", "x", Verdict.FAIL, "x"))
    findings, series = [], []
    for number in range(scans):
        name = f"sub-{number:05d}/anat/sub-{number:05d}_T1w.nii.gz"
        ref = ScanRef(name, f"sub-{number:05d}", None, "T1w", files[number % FILES])
        series.append(Series(ref.subject, ref.subject, (ref,)))
        fails = all_fail or random.uniform() < FAILING
        findings += [_finding(c, name, fails, example.heatmap, random) for c in CHECKS]
    scores = np.sort(random.gamma(9, 0.06, 120)).tolist()
    calibrations = {"anomaly": {"": Calibration(tuple(scores), "120 real scans", 1.0)}}
    counts = dict.fromkeys(("discovered", "collected", "judged", "reported"), len(findings))
    run = Run(
        "bench",
        "now",
        Verdict.FAIL,
        (),
        ("data",),
        "enforce",
        tuple(findings),
        counts,
        calibrations=calibrations,
    )
    return run, Release(folder / "data", tuple(series))


def _finding(
    check: str, target: str, fails: bool, heatmap: str | None, random: np.random.Generator
) -> Finding:
    bad = fails and (check == "anomaly" or random.uniform() < FAILING)
    score = float(random.uniform(1.01, 4)) if bad else float(random.gamma(9, 0.05))
    verdict = Verdict.FAIL if score > 1 else Verdict.PASS
    reason = (
        f"A region of {10 * score:.1f} ml around (12.0, 22.0, 13.0) mm looks like noise: score "
        f"{score:.3g} is above the limit 1 (calibrated: 2.5 % of real scans would fail)."
        if verdict is Verdict.FAIL
        else f"Score {score:.3g} is within the limit 1 (calibrated)."
    )
    measures = (Measure("outlined_volume", 10 * score, "ml"), Measure("top_share", 0.2))
    shown = heatmap if verdict is Verdict.FAIL and check == "anomaly" else None
    return Finding(check, target, verdict, reason, score, 1.0, 0.01, measures, shown)


def _file(folder: Path, subject: int) -> Path:
    scan = phantom(subject)
    values = ndimage.zoom(scan.voxels, ENLARGED, order=1)
    affine = scan.affine @ np.diag([1 / ENLARGED] * 3 + [1])
    path = folder / f"{subject}.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values.clip(0, 255).astype(np.uint8), affine), path)
    return path


def _heatmap(path: Path) -> Heatmap:
    image = nib.load(path)
    offset = np.indices(image.shape) - np.reshape([30, 40, 35], (3, 1, 1, 1))
    values = 2.5 * np.exp(-(offset**2).sum(axis=0) / 100)
    return Heatmap(values.astype(np.float32), image.affine, "How unlike real scans a place is")


def _sizes(folder: Path) -> dict[str, Any]:
    report = folder / "report"
    images = [*(report / "images").iterdir(), *(report / "volumes").iterdir()]
    return {
        "MB of index.html": round((report / "index.html").stat().st_size / 1e6, 2),
        "MB of pictures and volumes": round(sum(p.stat().st_size for p in images) / 1e6, 1),
        "pages": sum(1 for _ in report.rglob("*.html")),
    }


def _opened(folder: Path) -> dict[str, Any]:
    """How the release page opens and scrolls; nothing where there is no browser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return {"browser": "none found"}
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_context(offline=True).new_page()
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            page.goto((folder / "report" / "index.html").as_uri())
            page.wait_for_selector("#targets tbody tr")
            seconds.append(time.perf_counter() - started)
        page.locator("#targets").scroll_into_view_if_needed()
        frames = page.evaluate(LONGEST_FRAME)
        rows = page.locator("#targets tbody tr").count()
        chromium.close()
    return {
        "seconds until the table is there (3 times)": [round(s, 2) for s in seconds],
        "ms a frame while scrolling, median": round(frames[len(frames) // 2], 1),
        "ms a frame while scrolling, 95 %": round(frames[int(0.95 * len(frames))], 1),
        "rows drawn at the end": rows,
    }


if __name__ == "__main__":
    main()
