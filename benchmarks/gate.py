"""What the gate catches, what it raises by mistake, how fast it is: a table, and JSON.

python -m benchmarks.gate --data FOLDER [--reference 80] [--planted 12] [--splits 1]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.copies import COPIES
from benchmarks.faults import FAULTS
from benchmarks.memory import peak_mib
from benchmarks.rates import Rate, auroc, rate_of
from benchmarks.trial import Outcome, Plan, Trial, run_trial
from pytest_safegen import Release
from pytest_safegen.api import discover, write_text
from pytest_safegen.profiles.io import save_profiles
from pytest_safegen.profiles.model import ProfileSet

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = REPOSITORY.parent / "shared" / "data" / "ixi-t1"
RESULTS = REPOSITORY / "benchmarks" / "results" / "gate.json"
SCANS_FOR_MEMORY = (8, 40)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of planted scans; `auroc` is of the check that should catch it."""

    kind: str
    check: str
    auroc: float
    caught_by_check: Rate
    caught: Rate
    inside: Rate
    named: Rate


def main() -> None:
    """Run, print, write."""
    asked = _arguments()
    results = []
    memory: dict[str, float] = {}
    for number in range(asked.splits):
        plan = split(discover(asked.data), asked, asked.seed + number)
        trial, profiles = run_trial(plan)
        results.append(trial)
        memory = memory or _memory(profiles, asked.data)
    report(results, memory)
    write_json(asked.out, results, memory, asked)


def split(found: Release, asked: argparse.Namespace, seed: int) -> Plan:
    """Reference and release, no patient in both."""
    series = list(found.series)
    random.Random(seed).shuffle(series)  # noqa: S311  no secret in it
    last = asked.reference + asked.release if asked.release else None
    reference = replace(found, series=tuple(series[: asked.reference]))
    release = replace(found, series=tuple(series[asked.reference : last]))
    if not release.series:
        raise SystemExit(
            f"{len(series)} patients are too few for --reference {asked.reference}: name fewer."
        )
    return Plan(reference, release, asked.planted, seed)


def rows(trials: Sequence[Trial], check: str) -> list[Row]:
    """A row a kind of fault for anomaly, a row a kind of copy for memorization."""
    kinds: Iterable[str] = COPIES if check == "memorization" else FAULTS
    return [_row(trials, kind, check) for kind in kinds]


def report(trials: Sequence[Trial], memory: dict[str, float]) -> None:
    """Print all tables."""
    clean = _clean(trials)
    print(f"\nfit: {mean(t.fit_seconds for t in trials):.0f} s on {trials[0].patients} patients")
    print(f"judge: {median(o.seconds for o in clean):.2f} s a scan for all checks, of which")
    for check in clean[0].findings:
        print(f"  {check:14} {median(o.findings[check].seconds for o in clean):.2f} s")
    print(
        "peak memory: " + ", ".join(f"{size:.0f} MiB with {n} scans" for n, size in memory.items())
    )
    print(f"\nreal scans that nobody touched, {len(clean)}:  failed | warned (95 % interval)")
    for check in clean[0].findings:
        failed, warned = (rate_of([ask(o) for o in clean]) for ask in _asks(check))
        print(f"  {check:14} {failed} | {warned}")
    print(f"  {'any check':14} {rate_of([o.caught() for o in clean])}")
    for check in ("anomaly", "memorization"):
        _print_rows(rows(trials, check), check)


def write_json(
    path: Path, trials: Sequence[Trial], memory: dict[str, float], asked: argparse.Namespace
) -> None:
    """The same numbers for programs, with what they depend on."""
    clean = _clean(trials)
    content = {
        "data": asked.data.name,
        "reference": asked.reference,
        "splits": asked.splits,
        "planted": asked.planted,
        "seed": asked.seed,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "fit_seconds": [round(t.fit_seconds, 1) for t in trials],
        "seconds_a_scan": round(median(o.seconds for o in clean), 3),
        "seconds_a_check": {
            check: round(median(o.findings[check].seconds for o in clean), 3)
            for check in clean[0].findings
        },
        "peak_memory_mib": {n: round(size) for n, size in memory.items()},
        "untouched": {
            check: {
                name: rate_of([ask(o) for o in clean]).as_json()
                for name, ask in zip(("failed", "warned"), _asks(check), strict=True)
            }
            for check in clean[0].findings
        }
        | {"any check": {"failed": rate_of([o.caught() for o in clean]).as_json()}},
        "faults": [_row_json(row) for row in rows(trials, "anomaly")],
        "copies": [_row_json(row) for row in rows(trials, "memorization")],
    }
    write_text(path, json.dumps(content, indent=2) + "\n")
    print(f"\nwritten: {path}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of real scans")
    parser.add_argument("--reference", type=int, default=80, help="patients to learn from")
    parser.add_argument("--release", type=int, default=0, help="patients to judge (all others)")
    parser.add_argument("--planted", type=int, default=12, help="scans a kind of fault or copy")
    parser.add_argument("--splits", type=int, default=1, help="random splits of the patients")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS, help="file for the numbers")
    return parser.parse_args()


def _memory(profiles: ProfileSet, data: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "benchmark.safegen"
        save_profiles(profiles, path)
        return {str(count): peak_mib(path, data, count) for count in SCANS_FOR_MEMORY}


def _clean(trials: Sequence[Trial]) -> list[Outcome]:
    return [outcome for trial in trials for outcome in trial.clean]


def _asks(check: str) -> tuple[Callable[[Outcome], bool], Callable[[Outcome], bool]]:
    return (lambda outcome: outcome.failed(check)), (lambda outcome: outcome.warned(check))


def _row(trials: Sequence[Trial], kind: str, check: str) -> Row:
    planted = [[o for o in trial.planted(check) if o.kind == kind] for trial in trials]
    every = [outcome for outcomes in planted for outcome in outcomes]
    apart = [
        auroc([o.score(check) for o in outcomes], [o.score(check) for o in trial.clean])
        for trial, outcomes in zip(trials, planted, strict=True)
    ]
    return Row(
        kind,
        check,
        mean(apart),
        rate_of([o.failed(check) for o in every]),
        rate_of([o.caught() for o in every]),
        rate_of([o.peak_inside for o in every if o.peak_inside is not None]),
        rate_of([o.named() for o in every if o.source]),
    )


def _print_rows(found: Sequence[Row], check: str) -> None:
    last = "source named" if check == "memorization" else ""
    print(f"\n{'planted':31} AUROC  {f'failed by {check}':26} any check  peak inside  {last}")
    for row in found:
        shares = [f"{rate.share:>8.0%}" if rate.n else f"{'-':>8}" for rate in _others(row)]
        print(f"{row.kind:31} {row.auroc:.3f}  {row.caught_by_check!s:26} {'   '.join(shares)}")


def _others(row: Row) -> list[Rate]:
    shown = [row.caught, row.inside]
    return [*shown, row.named] if row.named.n else shown


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "auroc": round(row.auroc, 4),
        f"failed_by_{row.check}": row.caught_by_check.as_json(),
        "failed_by_any": row.caught.as_json(),
        "peak_inside": row.inside.as_json() if row.inside.n else None,
        "source_named": row.named.as_json() if row.named.n else None,
    }


if __name__ == "__main__":
    main()
