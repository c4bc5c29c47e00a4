"""Planted regressions, and two draws of one generator: how often a comparison says so.

python -m benchmarks.regressions [--data FOLDER] [--seeds 200]

The scores are of real scans, untouched, spoiled (`benchmarks.faults`) and copied, as two plain
checks measure them: "quality", the largest departure of a few statistics from the reference, and
"copies", the largest correlation with any scan of the reference. They stand in for the gate's own,
whose fits take minutes; what is measured here is the comparison. A patient is in one part only:
the reference, the calibration, or the pool that releases are drawn from.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from tqdm import tqdm

from benchmarks.faults import FAULTS, blurred, noisy
from benchmarks.rates import Rate
from benchmarks.scans import contrast, tissue
from pytest_safegen import Calibration, Finding, Measure, Run, Scan, Verdict
from pytest_safegen.api import discover, limit_at, read_scan, write_json
from pytest_safegen.results.comparison import Options, Outcome, compare, parse

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = REPOSITORY.parent / "shared" / "data" / "ixi-t1"
SCORES = REPOSITORY / "benchmarks" / "results" / "release-scores.json"
RESULTS = REPOSITORY / "benchmarks" / "results" / "regressions.json"
REFERENCE, CALIBRATION = 34, 30
SCANS = 60
RULES = ("*: failed +2%", "*: delta 0.1", "copies: any")
NOISE = {"seeds repeat": 0.05, "names repeat": None, "new names": None}
"""Per design, what one scan's scores vary by from release to release, in their sd; None: all."""

PLANTED = ("nothing", "3 spoiled of 60", "1 copy", "shift of 0.3 sd")
Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pools:
    """Scores by part: calibration, untouched, spoiled (quality) and copied (copies)."""

    scores: dict[str, dict[str, list[float]]]

    def of(self, part: str, check: str) -> Vector:
        """The scores of one check in one part; of those spoiled, the ones that the check fails.

        Correlations are spread out by Fisher's transformation.
        """
        found = np.array(self.scores[part][check])
        if check == "copies":
            return np.arctanh(np.minimum(found, 0.99999))
        return found[found > self.limit(check)] if part == "spoiled" else found

    def limit(self, check: str) -> float:
        """Where the check fails, as the gate sets it."""
        rate = {"quality": 0.025, "copies": 0.01}[check]
        return limit_at(self.of("calibration", check), rate).value


def main() -> None:
    """Measure the scores unless they are there, draw releases, print and write the table."""
    asked = _arguments()
    if not SCORES.is_file() or asked.measure:
        write_json(SCORES, {"data": asked.data.name, "scores": measured(asked.data)})
    pools = Pools(json.loads(SCORES.read_text())["scores"])
    table = {
        design: {kind: _rate(pools, design, kind, asked.seeds) for kind in PLANTED}
        for design in NOISE
    }
    print(f"{'flagged of ' + str(asked.seeds):16}" + "".join(f"{kind:>32}" for kind in PLANTED))
    for design, row in table.items():
        print(f"{design:16}" + "".join(f"{rate!s:>32}" for rate in row.values()))
    flagged = {
        design: {kind: rate.as_json() for kind, rate in row.items()}
        for design, row in table.items()
    }
    content = {"data": asked.data.name, "scans": SCANS, "rules": RULES, "seeds": asked.seeds}
    write_json(RESULTS, content | {"flagged": flagged})


def _rate(pools: Pools, design: str, kind: str, seeds: int) -> Rate:
    hits = [_flagged(pools, design, kind, seed) for seed in range(seeds)]
    return Rate(sum(hits), len(hits))


def _flagged(pools: Pools, design: str, kind: str, seed: int) -> bool:
    drawn = np.random.default_rng([seed, list(NOISE).index(design)])
    a = {
        check: drawn.choice(pools.of("untouched", check), SCANS) for check in ("quality", "copies")
    }
    b = {check: _again(pools, check, values, design, drawn) for check, values in a.items()}
    _plant(b, pools, kind, drawn)
    names = [SCANS if design == "new names" else 0, 0]
    outcome = compare(
        _run(pools, a, names[0]), _run(pools, b, names[1]), parse(RULES), Options(rounds=0)
    )
    return outcome.outcome is Outcome.REGRESSED


def _again(
    pools: Pools, check: str, values: Vector, design: str, drawn: np.random.Generator
) -> Vector:
    """The scores of the second release of the same generator."""
    known, noise = pools.of("untouched", check), NOISE[design]
    if noise is None:
        return drawn.choice(known, SCANS)
    return values + drawn.normal(0, noise * known.std(), SCANS)


def _plant(release: dict[str, Vector], pools: Pools, kind: str, drawn: np.random.Generator) -> None:
    places = drawn.permutation(SCANS)
    if kind == "3 spoiled of 60":
        release["quality"][places[:3]] = drawn.choice(pools.of("spoiled", "quality"), 3)
    if kind == "1 copy":
        release["copies"][places[:1]] = drawn.choice(pools.of("copied", "copies"), 1)
    if kind == "shift of 0.3 sd":
        release["quality"] += 0.3 * pools.of("untouched", "quality").std()


def _run(pools: Pools, release: dict[str, Vector], first: int) -> Run:
    findings = [
        _finding(check, f"scan-{first + place:03}", float(score), pools.limit(check))
        for check, scores in release.items()
        for place, score in enumerate(scores)
    ]
    steps = dict.fromkeys(("discovered", "collected", "judged", "reported"), len(findings))
    return Run(
        id=f"{first}",
        created="",
        verdict=Verdict.PASS,
        reasons=(),
        roots=(),
        mode="enforce",
        findings=tuple(findings),
        counts=steps,
        comparability={"profile": "one"},
        directions={check: {"score": "higher", "half": "higher"} for check in release},
        calibrations={
            c: {"": Calibration(tuple(pools.of("calibration", c).tolist()))} for c in release
        },
    )


def _finding(check: str, target: str, score: float, limit: float) -> Finding:
    verdict = Verdict.FAIL if score > limit else Verdict.PASS
    return Finding(check, target, verdict, "", score, limit, None, (Measure("half", score / 2),))


def measured(data: Path) -> dict[str, dict[str, list[float]]]:
    """The scores of real scans, untouched, spoiled and copied."""
    refs = np.random.default_rng(0).permutation(np.array(discover(data).refs, dtype=object))
    scans = [read_scan(ref) for ref in tqdm(refs, "reading")]
    reference, pool = scans[:REFERENCE], scans[REFERENCE + CALIBRATION :]
    known = np.array([_features(scan) for scan in tqdm(reference, "reference")])
    middle, spread = known.mean(0), known.std(0)
    small = np.array([_small(scan) for scan in reference])

    def scores(part: Sequence[Scan], label: str) -> dict[str, list[float]]:
        z = [np.abs((_features(scan) - middle) / spread).max() for scan in tqdm(part, label)]
        likeness = [float((small @ _small(scan)).max()) for scan in part]
        return {
            "quality": [round(float(v), 5) for v in z],
            "copies": [round(v, 5) for v in likeness],
        }

    drawn = np.random.default_rng(1)
    spoiled = [plant(scan, drawn)[0] for plant in FAULTS.values() for scan in pool[:4]]
    copied = [noisy(scan, drawn, share=0.05)[0] for scan in reference[:10]]
    copied += [blurred(scan, drawn, sigma=2.0)[0] for scan in reference[10:20]]
    return {
        "calibration": scores(scans[REFERENCE : REFERENCE + CALIBRATION], "calibration"),
        "untouched": scores(pool, "untouched"),
        "spoiled": scores(spoiled, "spoiled"),
        "copied": scores(copied, "copied"),
    }


def _features(scan: Scan) -> Vector:
    """Texture and background: sharpness, noise, the roughest and the smoothest block."""
    inside = tissue(scan)
    values = (scan.voxels - scan.voxels.min()) / contrast(scan)
    rough = np.abs(values - ndimage.median_filter(values, 3))
    core = ndimage.binary_erosion(inside, iterations=3)
    blocks = ndimage.uniform_filter(rough, 5)[core]
    edges = np.abs(ndimage.laplace(values))[core]
    numbers = [rough[core].mean(), edges.mean(), blocks.max(), np.percentile(blocks, 1)]
    return np.log(np.array([*numbers, values[~inside].mean()]) + 1e-6)


def _small(scan: Scan) -> Vector:
    """The middle of the scan, coarse, with mean 0 and length 1."""
    values = ndimage.gaussian_filter(scan.voxels, 1.0)[::3, ::3, ::3].astype(np.float64)
    fitted = np.zeros((28, 34, 28))
    part = tuple(slice(0, min(a, b)) for a, b in zip(values.shape, fitted.shape, strict=True))
    fitted[part] = values[part]
    flat = fitted.ravel() - fitted.mean()
    return np.asarray(flat / np.linalg.norm(flat))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--measure", action="store_true", help="measure the scores again")
    return parser.parse_args()


if __name__ == "__main__":
    main()
