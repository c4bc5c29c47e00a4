"""Make the scans of the demonstration from the MNI152 T1 template: python make_data.py.

Writes `reference` (the real scans that a generator would have been trained on), `release-clean`,
`release-faulty`, and `planted.tsv`: what was planted in the faulty release and which check must
find it. The gate never sees that table.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from demo_data.cohort import Rows
from demo_data.files import save_table
from demo_data.plan import CLEAN, FAULTY, REFERENCE, Job, jobs
from tqdm import tqdm

DESCRIPTION = '{"Name": "Brains warped from the MNI152 template", "BIDSVersion": "1.9.0"}\n'


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the data; exit code 2 if the folder is already there."""
    options = _parser().parse_args(arguments)
    if options.output.exists():
        print(f"{options.output} exists: remove it, or give another --output.", file=sys.stderr)
        return 2
    plan = jobs(options.seed)
    made = _make(plan, options.output, workers=options.workers)
    _write_tables(plan, made, options.output)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Make the scans of the demonstration.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "data")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    return parser


def _make(plan: Sequence[Job], root: Path, *, workers: int | None) -> list[Rows]:
    with ProcessPoolExecutor(workers) as pool:
        results = pool.map(partial(_run, root=root), plan)
        return list(tqdm(results, total=len(plan), desc="patients", mininterval=1.0))


def _run(job: Job, *, root: Path) -> Rows:
    return job.run(root)


def _write_tables(plan: Sequence[Job], made: Sequence[Rows], root: Path) -> None:
    """The manifests of both releases, and last the table of planted faults."""
    for folder in (REFERENCE, CLEAN, FAULTY):
        description = root / folder / "dataset_description.json"
        description.write_text(DESCRIPTION, encoding="utf-8")
    for folder in (CLEAN, FAULTY):
        pairs = zip(plan, made, strict=True)
        rows = [row for job, rows in pairs if job.folder == folder for row in rows]
        save_table(root / folder / "safegen.tsv", rows)
    planted = [job.planted(rows) for job, rows in zip(plan, made, strict=True)]
    save_table(root / "planted.tsv", [fault for fault in planted if fault is not None])


if __name__ == "__main__":
    sys.exit(main())
