"""Tables of scans, and what the check finds in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pytest_safegen import (
    Finding,
    Profile,
    ReleaseTarget,
    ScanRef,
    ScanTarget,
)
from pytest_safegen.judging.verdict import judge
from safegen_detectors.cohort import MetadataDetector

Row = dict[str, Any]


def row_of(number: int, **changes: Any) -> Row:
    """A scan's facts; numbers vary a little from scan to scan."""
    wobble = number % 5
    row: Row = {
        "target": f"sub-{number:02}.nii.gz",
        "subject": f"sub-{number:02}",
        "session": None,
        "months": None,
        "modality": "T1w",
        "orientation": "RAS",
        "stored_type": "int16",
        "background_share": 0.6,
        "nonfinite_share": 0.0,
        "mask_volume_ml": None,
    }
    row |= {f"shape_{axis}": 80.0 + wobble for axis in "ijk"}
    row |= {f"spacing_{axis}": 2.0 for axis in "ijk"}
    names = ("minimum", "p1", "median", "mean", "std", "p99", "maximum")
    row |= {name: 10.0 * place + wobble for place, name in enumerate(names)}
    return row | changes


def ct_row(number: int, **changes: Any) -> Row:
    scale = {"minimum": -1024.0, "p1": -1000.0 + number % 5, "median": -700.0, "mean": -450.0}
    scale |= {"std": 450.0, "p99": 600.0, "maximum": 1200.0}
    return row_of(number, modality="ct", **{**scale, **changes})


def target_of(row: Row) -> ScanTarget:
    ref = ScanRef(str(row["target"]), str(row["subject"]), None, None, Path("x.nii.gz"))
    return ScanTarget(ref, None, facts=row)


def profile_of(rows: Sequence[Row]) -> Profile:
    fitted = MetadataDetector().fit([target_of(row) for row in rows], seed=0)
    facts = json.loads(json.dumps(fitted.facts))
    return Profile("metadata", "digest", {}, facts, np.zeros(0), "", len(rows))


MR = profile_of([row_of(number) for number in range(20)])


CT = profile_of([ct_row(number) for number in range(20)])


def finding_of(
    rows: Sequence[Row], profile: Profile | None = MR, *, suite: Path | None = None
) -> Finding:
    detector = MetadataDetector(suite=suite)
    score = detector.open(profile, device="cpu").score([ReleaseTarget(tuple(rows))])[0]
    return judge("metadata", "", score, rules=detector.rules)


def values_of(finding: Finding) -> dict[str, float]:
    return {measure.name: measure.value for measure in finding.measures}


def release(**changes: Any) -> list[Row]:
    """Four sane rows; the last one with the changes."""
    return [*(row_of(number) for number in (30, 31, 32)), row_of(33, **changes)]


def written(folder: Path, *expectations: Row) -> Path:
    path = folder / "suite.json"
    suite = {"name": "mine", "expectations": list(expectations), "meta": {}, "notes": None}
    path.write_text(json.dumps(suite))
    return path


def between(column: str, low: float | None, high: float | None, **more: Any) -> Row:
    kwargs = {"column": column, "min_value": low, "max_value": high, **more}
    return {"type": "expect_column_values_to_be_between", "kwargs": kwargs}
