"""The command `safegen reader-study`; heavy imports wait until it runs."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_reader_study_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `reader-study create` and `reader-study analyse`."""
    study = commands.add_parser(
        "reader-study", help="a blinded reading of real and synthetic scans"
    )
    parts = study.add_subparsers(required=True, metavar="STEP")
    _add_create_options(
        parts.add_parser("create", help="write a page for each reader, and the key")
    )
    analyse = parts.add_parser("analyse", help="accuracy, agreement and the effect of heatmaps")
    analyse.add_argument("key", type=Path, help="key.json that `create` wrote")
    analyse.add_argument("answers", type=Path, nargs="+", help="files that the readers sent back")
    analyse.add_argument("-o", "--output", type=Path, required=True, help="folder for the results")
    analyse.set_defaults(run=_run_analyse)


def _add_create_options(create: argparse.ArgumentParser) -> None:
    create.add_argument("--real", type=Path, required=True, help="folder of real scans")
    create.add_argument("--synthetic", type=Path, required=True, help="folder of synthetic scans")
    create.add_argument("-o", "--output", type=Path, required=True, help="new folder to write")
    create.add_argument("--scans", type=int, default=20, help="scans of each kind (20)")
    create.add_argument("--readers", type=int, default=2, help="number of readers (2)")
    create.add_argument("--real-report", type=Path, help="report of a run over the real scans")
    create.add_argument("--synthetic-report", type=Path, help="report of a run over the others")
    create.add_argument("--check", default="anomaly", help="whose heatmaps are shown (anomaly)")
    create.add_argument("--seed", type=int, default=0)
    create.set_defaults(run=_run_create)


def _run_create(options: argparse.Namespace) -> None:
    from safegen_reports.reader_study.create import create_study
    from safegen_reports.reader_study.design import StudyPlan

    plan = StudyPlan(
        real=options.real.absolute(),
        synthetic=options.synthetic.absolute(),
        real_report=options.real_report,
        synthetic_report=options.synthetic_report,
        check=options.check,
        scans=options.scans,
        readers=options.readers,
        seed=options.seed,
    )
    create_study(plan, options.output)
    print(f"{options.output / 'pages'}: give each reader this folder. It shows real patients.")
    print(f"{options.output / 'key.json'}: which scan is which; keep it from the readers")


def _run_analyse(options: argparse.Namespace) -> None:
    from safegen_reports.reader_study.results import write_results

    write_results(options.key, options.answers, options.output)
    print(options.output / "results.html")
