"""How well the anomaly check and published ideas find faults in real scans, and where.

python -m benchmarks.anomaly --data FOLDER [--reference 80] [--planted 6] [--torchio] [--dose]
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import importlib.util
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

import numpy as np

from benchmarks.anomaly import tables
from benchmarks.anomaly.cohort import Reference, Split, reference_from, split
from benchmarks.anomaly.fault_types import QUARTERS, FaultType, fault_types_of
from benchmarks.anomaly.figure import draw
from benchmarks.anomaly.methods_under_test import ALL, OURS, MethodsUnderTest, fit_methods
from benchmarks.anomaly.options import arguments
from benchmarks.anomaly.summary import Results
from benchmarks.anomaly.trial import Outcome, PlannedFault, Trial, run
from benchmarks.memory import own_peak_mib
from pytest_safegen.api import discover, write_text
from safegen_detectors.threads import one_thread_each

NOTES = (
    "Faults are planted in the scan as read, stored in its own data type, and prepared and "
    "aligned anew.",
    "A family is judged by a network that learned from no family of its group, nor of the groups "
    "most like it: the groups are split into four quarters, each judged by a network that learned "
    "from the other three.",
    "Faults of the whole scan, and TorchIO's, are never learned from; they are judged by the "
    "network without the quarter of the group that is most like them.",
    "The best IoU is an oracle: the limit of the map is chosen for each family on its own truth.",
    "Baselines are small re-makings; the limit of their outline is the 99.5th percentile of eight "
    "reference scans.",
    "PaDiM and PatchCore are anomalib's, upon networks with random weights.",
)
PACKAGES = ("torch", "numpy", "scipy", "SimpleITK", "torchio", "anomalib")


def main(command_line: list[str] | None = None) -> None:
    """Run, print, write; or print the tables of an earlier run."""
    options = arguments(command_line)
    if options.table:
        print(tables.markdown(json.loads(options.table.read_text(encoding="utf-8"))))
        return
    with one_thread_each():
        content, outcomes = measure(options)
    print(tables.markdown(content))
    write_text(options.out, json.dumps(content, indent=1) + "\n")
    print(f"written: {options.out}")
    if options.scans:
        write_text(options.scans, as_csv(outcomes))
        print(f"written: {options.scans}")
    if draw(content, options.figure):
        print(f"written: {options.figure}")


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], list[Outcome]]:
    """All numbers of one run, and the outcome of each scan."""
    torchio = options.torchio and importlib.util.find_spec("torchio") is not None
    parts = split(
        discover(options.data), reference=options.reference, tests=options.tests, seed=options.seed
    )
    reference = reference_from(parts.reference)
    kinds = fault_types_of(reference.template.options.intensity, options.families, torchio=torchio)
    kinds = [kind for kind in kinds if kind.quarter in options.quarters]
    field = fit_methods(
        reference,
        methods=options.methods,
        baselines=options.baselines,
        quarters=options.quarters,
        steps=options.steps,
        also_all=options.also_all,
        seed=options.seed,
    )
    after_fit = own_peak_mib()
    plantings = plan_faults(options, kinds, len(parts.tests))
    outcomes = run(Trial(reference, field, options.seed), parts.tests, plantings)
    missing = ["TorchIO's faults: torchio is not installed"] if options.torchio > torchio else []
    facts = facts_of(options, parts, reference, field)
    summary = Results(field, kinds, outcomes, options.seed).summary()
    memory = {"after fitting": round(after_fit), "after judging": round(own_peak_mib())}
    return {
        **facts,
        "not_run": [*field.not_run, *missing],
        "peak_memory_mib": memory,
        "seconds_a_scan": seconds_a_scan(field, summary["seconds"]),
        **summary,
    }, outcomes


def plan_faults(
    options: argparse.Namespace, kinds: Sequence[FaultType], tests: int
) -> dict[int, list[PlannedFault]]:
    """Which faults go into which test scan, each scan about equally often."""
    order = np.random.default_rng(options.seed).permutation(tests).tolist()
    plan: dict[int, list[PlannedFault]] = {place: [] for place in order}
    explained = 0
    for number, kind in enumerate(kinds):
        for place in _some(order, options.planted, number):
            explain = kind.local and explained < options.faithfulness
            explain = explain and not any(planting.explain for planting in plan[place])
            explained += explain
            plan[place].append(PlannedFault(kind, options.strength, explain=explain))
        for place in _some(order, options.dose_planted, number) if options.dose else ():
            if kind.bank == "safegen":
                plan[place] += [PlannedFault(kind, dose, dose=True) for dose in options.strengths]
    return plan


def seconds_a_scan(field: MethodsUnderTest, seconds: Mapping[str, float]) -> float:
    """Reading, preparing, features and the methods of the gate's check, once each."""
    panel = next(panel for panel in field.panels if panel.name == OURS and panel.variant != ALL)
    steps = ("read", "prepare", "features", *panel.parts)
    return round(sum(seconds[step] for step in steps), 3)


def facts_of(
    options: argparse.Namespace, parts: Split, reference: Reference, field: MethodsUnderTest
) -> dict[str, Any]:
    """What the numbers depend on."""
    return {
        "data": options.data.name,
        "modality": reference.template.options.intensity,
        "spacing_mm": reference.template.options.spacing,
        "reference": len(reference.samples),
        "left_out": list(reference.left_out),
        "tests": len(parts.tests),
        "planted": options.planted,
        "strength": options.strength,
        "seed": options.seed,
        "steps": options.steps or None,
        "quarters": {name: QUARTERS[name] for name in options.quarters},
        "methods": list(options.methods),
        "fit_seconds": {name: round(part.seconds, 1) for name, part in field.parts.items()},
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "versions": dict(_versions()),
        "notes": NOTES,
    }


def as_csv(outcomes: Sequence[Outcome]) -> str:
    """A line for each scan and contestant."""
    text = StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["kind", "strength", "dose", "patient", "contestant", "score", "ap", "iou"])
    for o in outcomes:
        for name, score in o.scores.items():
            where = o.places.get(name)
            place = [where.precision, where.iou] if where else ["", ""]
            lines.writerow([o.kind, o.strength, int(o.dose), o.patient, name, score, *place])
    return text.getvalue()


def _some(order: Sequence[int], count: int, number: int) -> list[int]:
    """The places of the scans for one family, going round through all."""
    few = min(count, len(order))
    return [order[(number * few + n) % len(order)] for n in range(few)]


def _versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue


if __name__ == "__main__":
    main()
