"""How well copies of training patients are found, beside other methods: tables, and JSON.

python -m benchmarks.memorization --data FOLDER [--reference 80] [--copies 2]
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.memorization import networks
from benchmarks.memorization.copy_sources import CopySources, Restore, copy_sources_of
from benchmarks.memorization.grid import APART, GRID, STRENGTHS
from benchmarks.memorization.methods import FittedMethods, MethodResults, fit_methods, prepared_for
from benchmarks.memorization.speed import seconds_with
from benchmarks.memorization.tables import markdown
from pytest_safegen import Scan, ScanRef, ScanTarget
from pytest_safegen.api import Template, discover, limit_at, read_scan, write_text
from pytest_safegen.testing import template_of

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY.parent / "shared" / "data" / "ixi-t1"
RESULTS = REPOSITORY / "benchmarks" / "results" / "memorization.json"
FOR_TEMPLATE = 16
TIMED = 6
ALL = {**GRID, **APART}


@dataclass(frozen=True, slots=True)
class Split:
    """One scan a patient: those to learn from, and those the methods never see."""

    reference: tuple[ScanRef, ...]
    strangers: tuple[ScanRef, ...]


def main() -> None:
    """Run, print, write; after every round of copies, so that a stopped run keeps its numbers."""
    options = _arguments()
    if options.table:
        print(markdown(json.loads(options.table.read_text(encoding="utf-8"))))
        return
    split = split_of(options)
    template = template_of([read_scan(ref) for ref in split.reference[:FOR_TEMPLATE]])
    known, unknown = (
        [prepared_for(read_scan(ref), template) for ref in tqdm(refs, "preparing")]
        for refs in (split.reference, split.strangers)
    )
    learned = [replace(target, scan=None) for target in known]
    methods = fit_methods(learned, unknown[: len(unknown) // 2], template, seed=options.seed)
    content = _content(options, split, methods)
    if options.persons:
        content["speed"] = seconds_with(options.persons, methods, unknown[:TIMED])
    for ref in tqdm(split.strangers, "untouched"):
        content["untouched"].append(_row(methods.judge(read_scan(ref))))
    scans = [read_scan(ref) for ref in split.reference[:FOR_TEMPLATE]]
    kinds = [kind for kind in ALL if re.search(options.rows, kind)]
    needed = "autoencoder round trip" in kinds
    restore = networks.restorer(scans, seed=options.seed) if needed else None
    for number in range(options.copies):
        content["copies"] += _round(kinds, split, methods, restore, [options.seed, number])
        _write(options.out, content)
    if options.generator:
        content["copies"] += _generated(known, methods, options.seed)
    _write(options.out, content)
    print(markdown(content))


def split_of(options: argparse.Namespace) -> Split:
    """A random split by patient."""
    series = list(discover(options.data.absolute()).series)
    random.Random(options.seed).shuffle(series)  # noqa: S311  no secret in it
    refs = tuple(one.refs[0] for one in series)
    if len(refs) < options.reference + 2:
        raise SystemExit(f"{len(refs)} patients are too few for --reference {options.reference}.")
    last = options.reference + options.strangers if options.strangers else None
    return Split(refs[: options.reference], refs[options.reference : last])


def _round(
    kinds: Sequence[str],
    split: Split,
    methods: FittedMethods,
    restore: Restore | None,
    seed: Sequence[int],
) -> list[dict[str, Any]]:
    """One copy of each kind at each strength, of patients drawn anew for each kind."""
    found = []
    for kind in tqdm(kinds, "copies"):
        row = list(ALL).index(kind)
        sources = _copy_sources(
            split, methods.template, restore, np.random.default_rng([*seed, row])
        )
        for strength in range(STRENGTHS):
            planted = ALL[kind](sources, np.random.default_rng([*seed, row, strength]), strength)
            results = methods.judge(planted.scan, planted.where)
            copied = [sources.source.ref.subject]
            copied += [sources.second_subject] * (kind == "two patients mixed")
            found.append(_row(results, kind=kind, strength=strength, copied=copied))
    return found


def _copy_sources(
    split: Split, template: Template, restore: Restore | None, draw: np.random.Generator
) -> CopySources:
    first, second = draw.choice(len(split.reference), 2, replace=False)
    host = split.strangers[int(draw.integers(len(split.strangers)))]
    scans = [read_scan(ref) for ref in (split.reference[first], split.reference[second], host)]
    return copy_sources_of(*scans, template.options, restore)


def _generated(
    known: Sequence[ScanTarget], methods: FittedMethods, seed: int
) -> Iterator[dict[str, Any]]:
    """What an overfitted generator draws near its training patients."""
    template = methods.template
    prepared = [t.prepared for t in known[: networks.MEMORIZED] if t.prepared is not None]
    drawn = networks.memorized([one.voxels * one.body for one in prepared], seed=seed)
    body = template.body > 0.5
    for target, volume in zip(known, drawn, strict=False):
        values = np.where(body, 100 * np.clip(volume, 0, 2), 0).astype(np.float32)
        scan = Scan(target.ref, values, template.affine, stored_type="float32")
        results = methods.judge(scan)
        yield _row(results, kind="overfitted generator", strength=0, copied=[target.ref.subject])


def _row(
    results: MethodResults, *, kind: str = "", strength: int = 0, copied: Sequence[str] = ()
) -> dict[str, Any]:
    names = results.nearest.split(" = ")
    return {
        "kind": kind,
        "strength": strength,
        "flagged": {name: bool(value) for name, value in results.flagged.items()},
        "named": any(subject in names for subject in copied),
        "score": round(results.score, 3),
        "verdict": results.kind,
        "dice": None if results.dice is None else round(results.dice, 3),
        "seconds": round(results.seconds, 3),
        "refused": results.refused,
    }


def _content(options: argparse.Namespace, split: Split, methods: FittedMethods) -> dict[str, Any]:
    limit = limit_at(methods.profile.calibration, 0.01)
    index_names = dict.fromkeys(methods.profile.facts["persons"])
    same = [
        " = ".join(subjects)
        for person in index_names
        if len(subjects := _subjects_of(person, methods)) > 1
    ]
    return {
        "data": options.data.name,
        "reference": len(split.reference),
        "seed": options.seed,
        "limit": f"Limit {limit.value:.2f}, {limit.source}",
        "methods": list(methods.limits),
        "same": same,
        "calibration": [round(x, 3) for x in methods.profile.calibration.tolist()],
        "untouched": [],
        "copies": [],
    }


def _subjects_of(person: str, methods: FittedMethods) -> list[str]:
    facts = methods.profile.facts
    pairs = zip(facts["subjects"], facts["persons"], strict=True)
    return list(dict.fromkeys(subject for subject, one in pairs if one == person))


def _write(path: Path, content: dict[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memorization", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of real scans")
    parser.add_argument("--reference", type=int, default=80, help="patients in the training set")
    parser.add_argument("--strangers", type=int, default=0, help="patients left untouched (all)")
    parser.add_argument("--copies", type=int, default=2, help="copies a kind and strength")
    parser.add_argument("--rows", default="", help="regular expression of kinds (all)")
    parser.add_argument("--generator", action="store_true", help="an overfitted generator too")
    parser.add_argument("--persons", type=int, default=0, help="time an index of so many persons")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS, help="file for the numbers")
    parser.add_argument("--table", type=Path, help="print the tables of such a file, and stop")
    return parser.parse_args()


if __name__ == "__main__":
    main()
