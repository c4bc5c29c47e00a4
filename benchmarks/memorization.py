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

from benchmarks.memorization_parts import networks
from benchmarks.memorization_parts.grid import APART, GRID, STRENGTHS
from benchmarks.memorization_parts.judges import Judges, Said, fitted, prepared_for
from benchmarks.memorization_parts.material import Material, Restore, material_of
from benchmarks.memorization_parts.speed import seconds_with
from benchmarks.memorization_parts.tables import markdown
from benchmarks.written import write
from pytest_safegen import Scan, ScanRef, ScanTarget
from pytest_safegen.api import Template, discover, limit_at, read_scan
from pytest_safegen.testing import template_of

REPOSITORY = Path(__file__).resolve().parents[1]
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
    asked = _arguments()
    if asked.table:
        print(markdown(json.loads(asked.table.read_text(encoding="utf-8"))))
        return
    split = split_of(asked)
    template = template_of([read_scan(ref) for ref in split.reference[:FOR_TEMPLATE]])
    known, unknown = (
        [prepared_for(read_scan(ref), template) for ref in tqdm(refs, "preparing")]
        for refs in (split.reference, split.strangers)
    )
    learned = [replace(target, scan=None) for target in known]
    judges = fitted(learned, unknown[: len(unknown) // 2], template, seed=asked.seed)
    content = _content(asked, split, judges)
    if asked.persons:
        content["speed"] = seconds_with(asked.persons, judges, unknown[:TIMED])
    for ref in tqdm(split.strangers, "untouched"):
        content["untouched"].append(_row(judges.say(read_scan(ref))))
    scans = [read_scan(ref) for ref in split.reference[:FOR_TEMPLATE]]
    kinds = [kind for kind in ALL if re.search(asked.rows, kind)]
    wanted = "autoencoder round trip" in kinds
    restore = networks.restorer(scans, seed=asked.seed) if wanted else None
    for number in range(asked.copies):
        content["copies"] += _round(kinds, split, judges, restore, [asked.seed, number])
        _write(asked.out, content)
    if asked.generator:
        content["copies"] += _generated(known, judges, asked.seed)
    _write(asked.out, content)
    print(markdown(content))


def split_of(asked: argparse.Namespace) -> Split:
    """A random split by patient."""
    series = list(discover(asked.data.absolute()).series)
    random.Random(asked.seed).shuffle(series)  # noqa: S311  no secret in it
    refs = tuple(one.refs[0] for one in series)
    if len(refs) < asked.reference + 2:
        raise SystemExit(f"{len(refs)} patients are too few for --reference {asked.reference}.")
    last = asked.reference + asked.strangers if asked.strangers else None
    return Split(refs[: asked.reference], refs[asked.reference : last])


def _round(
    kinds: Sequence[str],
    split: Split,
    judges: Judges,
    restore: Restore | None,
    seed: Sequence[int],
) -> list[dict[str, Any]]:
    """One copy of each kind at each strength, of patients drawn anew for each kind."""
    found = []
    for kind in tqdm(kinds, "copies"):
        row = list(ALL).index(kind)
        given = _material(split, judges.template, restore, np.random.default_rng([*seed, row]))
        for strength in range(STRENGTHS):
            planted = ALL[kind](given, np.random.default_rng([*seed, row, strength]), strength)
            said = judges.say(planted.scan, planted.where)
            sources = [given.source.ref.subject]
            sources += [given.second_subject] * (kind == "two patients mixed")
            found.append(_row(said, kind=kind, strength=strength, sources=sources))
    return found


def _material(
    split: Split, template: Template, restore: Restore | None, draw: np.random.Generator
) -> Material:
    first, second = draw.choice(len(split.reference), 2, replace=False)
    host = split.strangers[int(draw.integers(len(split.strangers)))]
    scans = [read_scan(ref) for ref in (split.reference[first], split.reference[second], host)]
    return material_of(*scans, template.options, restore)


def _generated(known: Sequence[ScanTarget], judges: Judges, seed: int) -> Iterator[dict[str, Any]]:
    """What an overfitted generator draws near its training patients."""
    template = judges.template
    prepared = [t.prepared for t in known[: networks.MEMORIZED] if t.prepared is not None]
    drawn = networks.memorized([one.voxels * one.body for one in prepared], seed=seed)
    body = template.body > 0.5
    for target, volume in zip(known, drawn, strict=False):
        values = np.where(body, 100 * np.clip(volume, 0, 2), 0).astype(np.float32)
        scan = Scan(target.ref, values, template.affine, stored_type="float32")
        said = judges.say(scan)
        yield _row(said, kind="overfitted generator", strength=0, sources=[target.ref.subject])


def _row(
    said: Said, *, kind: str = "", strength: int = 0, sources: Sequence[str] = ()
) -> dict[str, Any]:
    names = said.nearest.split(" = ")
    return {
        "kind": kind,
        "strength": strength,
        "flagged": {name: bool(value) for name, value in said.flagged.items()},
        "named": any(source in names for source in sources),
        "score": round(said.score, 3),
        "verdict": said.kind,
        "dice": None if said.dice is None else round(said.dice, 3),
        "seconds": round(said.seconds, 3),
        "refused": said.refused,
    }


def _content(asked: argparse.Namespace, split: Split, judges: Judges) -> dict[str, Any]:
    limit = limit_at(judges.profile.calibration, 0.01)
    index_names = dict.fromkeys(judges.profile.facts["persons"])
    same = [
        " = ".join(subjects)
        for person in index_names
        if len(subjects := _subjects_of(person, judges)) > 1
    ]
    return {
        "data": asked.data.name,
        "reference": len(split.reference),
        "seed": asked.seed,
        "limit": f"Limit {limit.value:.2f}, {limit.source}",
        "methods": list(judges.limits),
        "same": same,
        "calibration": [round(x, 3) for x in judges.profile.calibration.tolist()],
        "untouched": [],
        "copies": [],
    }


def _subjects_of(person: str, judges: Judges) -> list[str]:
    facts = judges.profile.facts
    pairs = zip(facts["subjects"], facts["persons"], strict=True)
    return list(dict.fromkeys(subject for subject, one in pairs if one == person))


def _write(path: Path, content: dict[str, Any]) -> None:
    write(path, json.dumps(content, indent=1) + "\n")


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
