"""`safegen calibrate-longitudinal`: limits from series of real patients.

Everything heavy is imported when the command runs, so that other commands start without it.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_safegen.api import Scan, ScanRef, Series
    from safegen_detectors.longitudinal.calibrate import Values

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_calibrate_longitudinal(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "calibrate-longitudinal",
        help="calibrate the limits of the longitudinal check on repeated scans of real patients",
    )
    parser.add_argument("folder", type=Path, help="real patients, each scanned twice or more")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the JSON file to write")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from pytest_safegen.api import UsageProblem, discover
    from safegen_detectors.longitudinal.calibrate import calibrate, write_calibration

    release = discover(arguments.folder.absolute())
    calibration = calibrate(
        scans for series in release.series for scans in _scans_by_modality(series)
    )
    if not calibration.values:
        raise UsageProblem(
            f"{arguments.folder} has no patient with two comparable scans of one modality; give a "
            "folder of real follow-ups or rescans."
        )
    write_calibration(calibration, arguments.out)
    for name, values in calibration.values.items():
        print(f"{name}: {len(values)} pairs, {min(values):.3g} to {max(values):.3g}")
    for modality, same in calibration.same.items():
        _print_identity(modality or "scans", same, calibration.different.get(modality, {}))


def _print_identity(modality: str, same: Values, different: Values) -> None:
    """Print how well each measure separates pairs of one patient from shuffled pairs."""
    from safegen_detectors.longitudinal.calibrate import (
        IDENTITY_MEASURES,
        MIN_SEPARATION_AUC,
        separation_auc,
    )

    for name in IDENTITY_MEASURES:
        if not same.get(name) or not different.get(name):
            continue
        area = separation_auc(name, same[name], different[name])
        verdict = "" if area >= MIN_SEPARATION_AUC else "; too low, so it has no vote"
        print(
            f"{modality}: {name} of {len(same[name])} pairs of one patient and "
            f"{len(different[name])} of two: area under the curve {area:.3f}{verdict}"
        )


def _scans_by_modality(series: Series) -> Iterator[Sequence[Scan]]:
    from pytest_safegen.api import read_scan

    groups: dict[str | None, list[ScanRef]] = defaultdict(list)
    for ref in series.refs:
        groups[ref.modality].append(ref)
    for refs in groups.values():
        if len(refs) > 1:
            yield [read_scan(ref) for ref in refs]
