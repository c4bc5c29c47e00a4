"""The Markdown tables of the longitudinal benchmark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.longitudinal_parts.image_similarity import METRICS
from benchmarks.rates import rate_of

Row = Mapping[str, Any]
BLOCKS = ("FAIL", "ERROR", "INCONCLUSIVE")


def markdown(content: Mapping[str, Any]) -> str:
    """Consistent series, faults, faults that were held out, and times."""
    rows = content["series"]
    parts = [
        f"{_patients(rows)} patients ({content['part']}), seed {content['seed']}.",
        _consistent([row for row in rows if row["group"].endswith("consistent")]),
        _faults(rows),
        _times(rows),
    ]
    return "\n\n".join(parts) + "\n"


def _patients(rows: Sequence[Row]) -> int:
    return len({row["subject"] for row in rows if not row["group"].startswith("real")})


def _consistent(rows: Sequence[Row]) -> str:
    lines = ["| consistent series | failed | warned | by |", "|---|---|---|---|"]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        same = [row for row in rows if row["kind"] == kind]
        failed = rate_of([row["verdict"] in BLOCKS for row in same])
        warned = rate_of([row["verdict"] == "WARN" for row in same])
        lines.append(f"| {kind} | {failed} | {warned} | {_causes(same)} |")
    return "\n".join(lines)


def _faults(rows: Sequence[Row]) -> str:
    limits = {name: _limit(rows, name) for name in METRICS}
    head = " | ".join(f"{name} at its limit" for name in METRICS)
    lines = [f"| fault | failed | failed or warned | by | {head} |", "|" + "---|" * 7]
    faulty = [row for row in rows if not row["group"].endswith("consistent")]
    for group, kind in dict.fromkeys((row["group"], row["kind"]) for row in faulty):
        same = [row for row in faulty if row["kind"] == kind]
        failed = rate_of([row["verdict"] in BLOCKS for row in same])
        warned = np.mean([row["verdict"] != "PASS" for row in same])
        metrics = " | ".join(f"{_below(same, name, limits[name]):.2f}" for name in METRICS)
        name = f"{kind} (held out)" if group == "held out" else kind
        lines.append(f"| {name} | {failed} | {warned:.2f} | {_causes(same)} | {metrics} |")
    return "\n".join(lines)


def _limit(rows: Sequence[Row], name: str) -> float:
    """The lowest value of a consistent series that was simulated: no false alarm among them."""
    same = [row for row in rows if row["group"] == "consistent"]
    values = [row["image_similarity"][name] for row in same if "image_similarity" in row]
    return min(values, default=float("nan"))


def _below(rows: Sequence[Row], name: str, limit: float) -> float:
    found = [row["image_similarity"][name] < limit for row in rows if "image_similarity" in row]
    return float(np.mean(found)) if found else float("nan")


def _causes(rows: Sequence[Row]) -> str:
    counts = Counter(name for row in rows for name in row["broken"])
    return ", ".join(f"{name} {count}" for name, count in counts.most_common(3))


def _times(rows: Sequence[Row]) -> str:
    timed = [row for row in rows if "seconds" in row and not row["group"].startswith("real")]
    deformed = ["tissue_shift" in row["measures"] for row in timed]
    groups = {
        "without deformation": [row for row, yes in zip(timed, deformed, strict=True) if not yes],
        "where it was estimated": [row for row, yes in zip(timed, deformed, strict=True) if yes],
    }
    spent = "; ".join(f"{name} {_spent(some)}" for name, some in groups.items() if some)
    return f"Processor seconds a pair of brains at 2 mm, one thread: {spent}." if spent else ""


def _spent(rows: Sequence[Row]) -> str:
    """Seconds a pair: of three visits and more there are as many pairs as visits."""
    a_pair = [row["seconds"] / (row["visits"] if row["visits"] > 2 else 1) for row in rows]
    middle, high = np.percentile(a_pair, (50, 95))
    return f"median {middle:.1f}, 95th percentile {high:.1f}"
