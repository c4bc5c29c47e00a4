"""The `safegen` command: fit a profile, list a folder, plant faults, rebuild a report, and more."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_safegen.cli.compare import add_compare
from pytest_safegen.cli.gate import add_gate
from pytest_safegen.cli.history import add_history
from pytest_safegen.config import plugins
from pytest_safegen.config.settings import Settings, resolve
from pytest_safegen.core.errors import SafegenError, UsageProblem

if TYPE_CHECKING:
    from pytest_safegen.core.finding import Run
    from pytest_safegen.core.scan import Release


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 if all went well, 4 if it was used wrongly or its input cannot be used.

    1 if it did what it could, and some scans could not be used.
    """
    try:
        asked = _parser().parse_args(arguments)
        return asked.run(asked) or 0
    except SafegenError as problem:
        print(f"safegen: {problem}", file=sys.stderr)
        return 4


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="safegen", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    fit = commands.add_parser("fit", help="learn from real scans and write a profile")
    fit.add_argument("reference", type=Path, nargs="+", help="folder of real scans")
    fit.add_argument("-o", "--output", type=Path, required=True, help="profile to write")
    fit.add_argument("--holdout", action="append", default=[], help="real scans for calibration")
    fit.add_argument("--checks", action="append", default=[], help="only these checks")
    fit.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    fit.add_argument("--seed", type=int, default=0)
    fit.set_defaults(run=_fit)
    listing = commands.add_parser("list", help="say what is found in a folder, and what is not")
    listing.add_argument("data", type=Path, help="folder of scans")
    listing.set_defaults(run=_list)
    _add_inject(commands.add_parser("inject", help="plant faults in real scans, with their masks"))
    report = commands.add_parser("report", help="write the HTML report again from its results")
    report.add_argument("folder", type=Path, help="report folder that holds results.jsonl")
    report.add_argument("--data", action="append", default=[], help="data folder, if it has moved")
    report.add_argument(
        "--merge", type=Path, nargs="+", default=[], help="report folders to join in a new folder"
    )
    report.add_argument("--viewer", choices=("slices", "niivue"))
    report.add_argument("--images", type=int, help="MB of pictures, the worst scans first")
    report.set_defaults(run=_report)
    add_compare(commands.add_parser("compare", help="hold one run against another"), _store)
    add_gate(commands.add_parser("gate", help="check a gate.json before a release"))
    add_history(commands.add_parser("history", help="the runs so far, and their trends"), _store)
    _add_review(commands.add_parser("review", help="list, take in and learn from reviews"))
    schema = commands.add_parser("schema", help="print the JSON Schema of results.jsonl")
    other = schema.add_mutually_exclusive_group()
    other.add_argument("--gate", action="store_true", help="that of gate.json instead")
    other.add_argument(
        "--run", action="store_true", help="that of results.json instead", dest="of_run"
    )
    schema.set_defaults(run=_schema)
    plugins.build_manager(Settings(Path.cwd())).hook.safegen_add_commands(commands=commands)
    return parser


def _add_inject(inject: argparse.ArgumentParser) -> None:
    inject.add_argument("real", type=Path, help="folder of real scans")
    inject.add_argument("-o", "--output", type=Path, required=True, help="new folder to write")
    inject.add_argument("--kinds", default="all", help="kinds of faults, or all, local, global")
    inject.add_argument("--strength", default="0.6", help="doses up to 1, such as 0.2,0.6,1.0")
    inject.add_argument("--per-scan", type=int, help="draw so many of the kinds for each scan")
    inject.add_argument("--seed", type=int, default=0)
    inject.add_argument("--intensity", default="auto", choices=("auto", "mr", "ct"))
    inject.add_argument("--slices", action="store_true", help="write pictures of slices too")
    inject.set_defaults(run=_inject)


def _add_review(review: argparse.ArgumentParser) -> None:
    review.add_argument("reviews", type=Path, help="file of reviews, such as safegen-waivers.toml")
    review.add_argument("--report", type=Path, help="report folder to hold them against")
    review.add_argument(
        "--import", dest="new", type=Path, nargs="+", default=[], help="downloaded reviews to add"
    )
    review.add_argument(
        "--recalibrate", action="store_true", help="propose limits; changes nothing by itself"
    )
    review.set_defaults(run=_review)


def _fit(asked: argparse.Namespace) -> None:
    from pytest_safegen.config.device import resolve_device
    from pytest_safegen.profiles.fit import Fitter
    from pytest_safegen.profiles.io import save_profiles
    from pytest_safegen.profiles.source import discover_real_scans

    settings = _settings(
        reference=[str(path) for path in asked.reference],
        holdout=asked.holdout,
        checks=asked.checks,
        device=asked.device,
        seed=asked.seed,
    )
    detectors = plugins.detectors(plugins.build_manager(settings), settings)
    reference, holdout = discover_real_scans(settings)
    fitter = Fitter(detectors, settings.seed, resolve_device(settings.device), _progress)
    profiles = fitter.fit(reference, holdout)
    for sentence in profiles.left_out:
        print(f"left out: {sentence}", file=sys.stderr)
    unknown = [bundle.problem for bundle in profiles.bundles.values() if bundle.problem]
    if unknown:
        raise UsageProblem(f"No profile was written: {'; '.join(unknown)}.")
    save_profiles(profiles, asked.output)
    print(f"{asked.output}: {', '.join(sorted(detectors))}")
    print("It is derived from real patients: treat it as confidential.")


def _list(asked: argparse.Namespace) -> None:
    from pytest_safegen.data.discover import discover

    release = discover(asked.data.absolute())
    for series in release.series:
        for ref in series.refs:
            months = "" if ref.months is None else f"{ref.months:g} months"
            mask = f"mask {ref.mask.name}" if ref.mask else ""
            facts = (ref.target, ref.subject, ref.session, ref.modality, months, mask)
            print("\t".join(fact or "-" for fact in facts))
    for left in release.left_out:
        print(f"left out: {left.path.relative_to(release.root)}: {left.reason}")
    print(f"{len(release.refs)} scans of {len(release.series)} subjects")


def _inject(asked: argparse.Namespace) -> int:
    from pytest_safegen.data.discover import discover
    from pytest_safegen.faults.inject import InjectionPlan, inject

    order = InjectionPlan(
        kinds=_split(asked.kinds),
        strengths=_numbers(asked.strength),
        per_scan=asked.per_scan,
        seed=asked.seed,
        intensity=asked.intensity,
        slices=asked.slices,
    )
    output = asked.output.absolute()
    release = discover(asked.real.absolute(), skip=[output])
    outcome = inject(release, output, order, progress=_progress)
    for sentence in outcome.problems:
        print(f"left out: {sentence}", file=sys.stderr)
    print(f"{asked.output}: {len(outcome.rows)} spoiled scans")
    print("They are derived from real patients: treat them as confidential.")
    return 1 if outcome.problems else 0


def _report(asked: argparse.Namespace) -> None:
    from pytest_safegen.results.files import load_run

    folder = asked.folder.absolute()
    run = _merged(asked.merge, folder) if asked.merge else load_run(folder)
    settings = _settings(viewer=asked.viewer, images=asked.images)
    releases = _releases(run, asked.data, folder)
    manager = plugins.build_manager(settings)
    manager.hook.safegen_write_report(run=run, releases=releases, folder=folder, settings=settings)
    print(asked.folder / "index.html")


def _merged(folders: Sequence[Path], output: Path) -> Run:
    from pytest_safegen.results.merge import merge

    if output.exists() and any(output.iterdir()):
        raise UsageProblem(f"The folder {output} is not empty; name a new one to merge into.")
    return merge([folder.absolute() for folder in folders], output)


def _releases(run: Run, data: Sequence[str], folder: Path) -> list[Release]:
    """The releases of a run; targets have their folder's name in front if the run has it so."""
    from pytest_safegen.data.discover import discover, named_by_root

    judged = {finding.target for finding in run.findings}
    found = [discover(Path(root).absolute(), skip=[folder]) for root in (data or run.roots)]
    return [
        release
        if len(found) == 1 or any(ref.target in judged for ref in release.refs)
        else named_by_root(release)
        for release in found
    ]


def _review(asked: argparse.Namespace) -> int:
    from pytest_safegen.judging import review as reviewing
    from pytest_safegen.judging.waivers import read_reviews, today
    from pytest_safegen.results.files import load_run

    if asked.recalibrate and asked.report is None:
        raise UsageProblem("--recalibrate needs --report, the folder of the run it is about.")
    if asked.new:
        changed = reviewing.import_reviews(asked.reviews, asked.new)
        print(f"{asked.reviews}: {changed} reviews added or changed")
    reviews = read_reviews(asked.reviews)
    run = load_run(asked.report) if asked.report else None
    if asked.recalibrate and run is not None:
        found = reviewing.proposals(reviews, run)
        lines = [line for proposal in found for line in reviewing.proposal_lines(proposal)]
        print("\n".join(lines or ["No check has a finding that was marked as a false alarm."]))
        return 0
    lines = list(reviewing.review_lines(reviews, today(), run))
    print("\n".join(lines or [f"{asked.reviews} holds no review."]))
    return int(any(line.startswith(("expired", "stale")) for line in lines))


def _schema(asked: argparse.Namespace) -> None:
    import json

    from pytest_safegen.core.codec import finding_schema, run_schema
    from pytest_safegen.results.gate_json import gate_schema

    schema = run_schema if asked.of_run else finding_schema
    schema = gate_schema if asked.gate else schema
    print(json.dumps(schema(), indent=2))


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in _split(text))
    except ValueError as problem:
        raise UsageProblem(f"{text!r} is no list of numbers, such as 0.2,0.6.") from problem


def _store(asked: argparse.Namespace) -> str:
    """The URL of the store that a command names, or that of the settings."""
    return str(asked.store) if asked.store else _settings().history


def _settings(**asked: Any) -> Settings:
    return resolve(root=Path.cwd(), command_line=asked, ini={})


def _progress(items: Sequence[Any], label: str) -> Iterable[Any]:
    from tqdm import tqdm

    return tqdm(items, desc=label, unit="", disable=not items)  # type: ignore[no-any-return]
