"""What can be asked of the benchmark of the anomaly check."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.anomaly.fault_types import QUARTERS
from safegen_detectors.anomaly.options import DEFAULT_METHODS

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY.parent / "shared" / "data" / "ixi-t1"
RESULTS = REPOSITORY / "benchmarks" / "results" / "anomaly.json"
FIGURE = REPOSITORY / "docs" / "anomaly-dose.svg"

BASELINES = (
    *("zscore", "histogram", "autoencoder", "dae", "fpi", "phanes", "thor", "dia"),
    *("padim", "patchcore"),  # left out, with a word, where anomalib is not installed
)
DOSES = (0.2, 0.4, 0.6, 0.8, 1.0)
QUICK = {"reference": 24, "tests": 10, "planted": 2, "steps": 60, "baselines": ()}


def arguments(command_line: list[str] | None = None) -> argparse.Namespace:
    """The options, from the command line where no words are given."""
    parser = _parser()
    options = parser.parse_args(command_line)
    if unknown := sorted(set(options.quarters) - set(QUARTERS)):
        parser.error(f"{unknown[0]!r} is none of the quarters {', '.join(QUARTERS)}")
    for name, value in QUICK.items() if options.quick else ():
        if getattr(options, name) == parser.get_default(name):
            setattr(options, name, value)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.anomaly")
    add = parser.add_argument
    add("--data", type=Path, default=DATA, help="folder of real scans")
    add("--reference", type=int, default=80, help="patients to learn from")
    add("--tests", type=int, default=0, help="patients to judge (all others)")
    add("--planted", type=int, default=6, help="scans a kind of fault")
    add("--strength", type=float, default=0.6, help="strength of the faults, 0 to 1")
    add("--families", type=_names, default=(), help="families of faults (all of the modality)")
    add("--quarters", type=_names, default=tuple(QUARTERS), help="groups of families to hold out")
    add("--methods", type=_names, default=DEFAULT_METHODS, help="methods of the gate's own check")
    add("--baselines", type=_names, default=BASELINES, help="names, or none")
    add("--torchio", action="store_true", help="TorchIO's faults too, if it is installed")
    add("--also-all", action="store_true", help="also a detector that learned from all families")
    add("--dose", action="store_true", help="every family at several strengths")
    add("--strengths", type=_numbers, default=DOSES, help="the strengths of --dose")
    add("--dose-planted", type=int, default=4, help="scans a family and strength of --dose")
    add("--faithfulness", type=int, default=0, help="scans for insertion and deletion, slow")
    add("--steps", type=int, default=0, help="steps of training of each network (its own default)")
    add("--seed", type=int, default=0)
    add("--quick", action="store_true", help="24 patients, 2 scans a fault, short training")
    add("--out", type=Path, default=RESULTS, help="file for the numbers")
    add("--scans", type=Path, help="file for the score of every scan, .csv")
    add("--figure", type=Path, default=FIGURE, help="file for the figure of --dose")
    add("--table", type=Path, help="only print the tables of such a file")
    return parser


def _names(text: str) -> tuple[str, ...]:
    return () if text == "none" else tuple(text.split(","))


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(word) for word in text.split(","))
