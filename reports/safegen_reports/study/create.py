"""Writes the pages of a reader study: pictures under names that say nothing, a page a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from pytest_safegen.api import (
    Heatmap,
    ScanRef,
    UsageProblem,
    discover,
    load_heatmap,
    read_findings,
    read_scan,
    write_bytes,
    write_text,
)
from safegen_reports.html.pictures import Figure, draw, write_scale
from safegen_reports.study.model import KINDS, REAL, SYNTHETIC, Case, Key, Trial, key_to_json
from safegen_reports.study.orders import orders

ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the organiser asks for; `scans` is the number of each kind."""

    real: Path
    synthetic: Path
    real_report: Path | None = None
    synthetic_report: Path | None = None
    check: str = "anomaly"
    scans: int = 20
    readers: int = 2
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Chosen:
    """A scan of the study, with the file of its heatmap if the study has heatmaps."""

    case: Case
    ref: ScanRef
    heatmap: Path | None


def create(plan: Plan, output: Path) -> Key:
    """Write `pages/` for the readers and `key.json` for the organiser; the key.

    Raises:
        UsageProblem: too few scans, a scan without a heatmap, or a folder that is not empty.
    """
    if output.exists() and any(output.iterdir()):
        raise UsageProblem(f"The folder {output} is not empty; name a new one.")
    if plan.scans < 1 or plan.readers < 1:
        raise UsageProblem("A study needs at least one scan of each kind and one reader.")
    random = np.random.default_rng(plan.seed)
    chosen = _chosen(plan, random)
    with_heatmaps = chosen[0].heatmap is not None
    cases = tuple(each.case for each in chosen)
    key = Key(
        _token(random),
        plan.seed,
        cases,
        orders(cases, readers=plan.readers, heatmaps=with_heatmaps, random=random),
    )
    figures = {each.case.token: _drawn(each, output / "pages") for each in chosen}
    _write_pages(key, figures, output / "pages")
    write_text(output / "key.json", key_to_json(key))
    return key


def _chosen(plan: Plan, random: np.random.Generator) -> list[Chosen]:
    """Scans of both kinds in random order, so that no file betrays its kind by when it is made."""
    if (plan.real_report is None) != (plan.synthetic_report is None):
        raise UsageProblem(
            "Heatmaps of one kind of scans would betray it: give --real-report and "
            "--synthetic-report, or neither."
        )
    found = [
        Chosen(Case(_token(random), kind, ref.target), ref, maps.get(ref.target))
        for kind in KINDS
        for refs, maps in [_scans(plan, kind, random)]
        for ref in refs
    ]
    return [found[place] for place in random.permutation(len(found))]


def _scans(
    plan: Plan, kind: str, random: np.random.Generator
) -> tuple[list[ScanRef], Mapping[str, Path]]:
    """So many scans of one kind as asked for, each of another patient, and their heatmaps."""
    root = {REAL: plan.real, SYNTHETIC: plan.synthetic}[kind]
    report = {REAL: plan.real_report, SYNTHETIC: plan.synthetic_report}[kind]
    first = {series.subject: series.refs[0] for series in reversed(discover(root).series)}
    refs = [first[subject] for subject in sorted(first)]
    if len(refs) < plan.scans:
        raise UsageProblem(
            f"{root} has scans of {len(refs)} patients, and {plan.scans} are asked for: "
            "give more scans, or a smaller --scans."
        )
    drawn = [refs[place] for place in random.permutation(len(refs))[: plan.scans]]
    maps = {} if report is None else _heatmaps(report, plan.check)
    missing = [ref.target for ref in drawn if ref.target not in maps]
    if report is not None and missing:
        raise UsageProblem(
            f"{report} has no heatmap of {plan.check} of {missing[0]}: run the gate over {root} "
            "with --safegen-heatmaps=all."
        )
    return drawn, maps


def _heatmaps(report: Path, check: str) -> dict[str, Path]:
    try:
        findings = [each for each in read_findings(report) if each.check == check and each.heatmap]
    except OSError as problem:
        raise UsageProblem(f"{report} is no report folder: {problem.strerror}.") from problem
    inside = {each.target: (report / str(each.heatmap)).resolve() for each in findings}
    return {name: path for name, path in inside.items() if path.is_relative_to(report.resolve())}


def _drawn(chosen: Chosen, folder: Path) -> Figure:
    """Pictures through the worst place of the heatmap, of all scans, else through the middle."""
    scan = read_scan(chosen.ref)
    heatmap: Heatmap | None = load_heatmap(chosen.heatmap) if chosen.heatmap else None
    return draw(scan, heatmap, folder=folder, stem=chosen.case.token)


def _write_pages(key: Key, figures: Mapping[str, Figure], folder: Path) -> None:
    environment = Environment(
        loader=PackageLoader("safegen_reports.study"), autoescape=True, undefined=StrictUndefined
    )
    template = environment.get_template("reading.html")
    for asset in sorted(ASSETS.iterdir()):
        write_bytes(folder / "assets" / asset.name, asset.read_bytes())
    write_scale(folder)
    for number, order in enumerate(key.orders, start=1):
        trials = [_trial(trial, figures[trial.token]) for trial in order]
        html = template.render(study=key.study, reader=number, trials=trials)
        write_text(folder / f"reader-{number}.html", html)


def _trial(trial: Trial, figure: Figure) -> dict[str, object]:
    overlays: Sequence[str | None] = [panel.overlay for panel in figure.panels]
    return {
        **asdict(trial),
        "pictures": [panel.base for panel in figure.panels],
        "overlays": overlays if trial.heatmap else [],
        "letters": [panel.plane.letters for panel in figure.panels],
    }


def _token(random: np.random.Generator) -> str:
    return random.bytes(6).hex()
