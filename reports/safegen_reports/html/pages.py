"""One page for one target: its findings, each with pictures where there is something to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_safegen import Finding, Heatmap, SafegenError, Scan, ScanRef
from safegen_reports.html.distribution import Chart, chart
from safegen_reports.html.pictures import Figure, draw
from safegen_reports.html.targets import Target

Read = Callable[[ScanRef], Scan]
LoadHeatmap = Callable[[Path], Heatmap]

OWN_MAP = "score"
"""What the heatmap of the score is called among the maps that explain it."""


class LastRead:
    """Reads scans and keeps only the last one: findings of one target mostly want the same."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._last: tuple[ScanRef, Scan] | None = None

    def __call__(self, ref: ScanRef) -> Scan:
        """The scan of the reference; raises ReadError."""
        if self._last is None or self._last[0] is not ref:
            self._last = None
            self._last = (ref, self._read(ref))
        return self._last[1]


@dataclass(frozen=True, slots=True)
class Layer:
    """One map of a finding with its name; `problem` says why there is no picture of it."""

    name: str
    figure: Figure | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding as its page shows it: its heatmap first, then the maps that explain it."""

    finding: Finding
    layers: tuple[Layer, ...]
    chart: Chart | None

    @property
    def figure(self) -> Figure | None:
        """The first picture that there is."""
        return next((layer.figure for layer in self.layers if layer.figure), None)


@dataclass(frozen=True, slots=True)
class Page:
    """All that the template of one target needs; `figure` is the scan where no finding has one."""

    target: Target
    shown: tuple[Shown, ...]
    figure: Figure | None
    problem: str


@dataclass(frozen=True, slots=True)
class Studio:
    """Draws the pictures of one report: where to, and how scans and heatmaps are read."""

    folder: Path
    read: Read
    load_heatmap: LoadHeatmap
    calibrations: Mapping[str, Mapping[str, Any]]

    def page(self, target: Target) -> Page:
        """Draw all pictures of a target; one that cannot be drawn becomes a sentence."""
        shown = tuple(
            self._shown(target, finding, number)
            for number, finding in enumerate(target.findings, start=1)
        )
        if any(each.figure for each in shown) or not target.refs:
            return Page(target, shown, None, "")
        figure, problem = _attempt(lambda: self._overview(target), "The scan")
        return Page(target, shown, figure, problem)

    def _shown(self, target: Target, finding: Finding, number: int) -> Shown:
        chart_ = chart(finding, self.calibrations.get(finding.check))
        layers: list[Layer] = []
        for name, path in _maps(finding) if target.refs else ():
            stem = f"{target.stem}-{number}" + (f"-{len(layers)}" if layers else "")
            first = next((layer.figure for layer in layers if layer.figure), None)
            layers.append(self._layer(target, name, path, stem, first))
        return Shown(finding, tuple(layers), chart_)

    def _layer(
        self, target: Target, name: str, path: str, stem: str, first: Figure | None
    ) -> Layer:
        figure, problem = _attempt(lambda: self._figure(target, path, stem, first), path)
        return Layer(name, figure, problem)

    def _figure(self, target: Target, path: str, stem: str, first: Figure | None) -> Figure:
        """The map's picture, over the same slices as the first one of that scan."""
        heatmap = self.load_heatmap(_inside(self.folder, path))
        named = (ref for ref in target.refs if ref.target == heatmap.of)
        ref = next(named, target.refs[-1])
        under = first if first and first.target == ref.target else None
        return draw(self.read(ref), heatmap, folder=self.folder, stem=stem, under=under)

    def _overview(self, target: Target) -> Figure:
        scan = self.read(target.refs[-1])
        return draw(scan, None, folder=self.folder, stem=f"{target.stem}-0")


def _maps(finding: Finding) -> list[tuple[str, str]]:
    """The names and paths of a finding's maps; the detector's own is named "score"."""
    own = [(OWN_MAP, finding.heatmap)] if finding.heatmap else []
    return [*own, *finding.layers.items()]


def _attempt(make: Callable[[], Figure], what: str) -> tuple[Figure | None, str]:
    try:
        return make(), ""
    except SafegenError as problem:
        return None, str(problem)
    except Exception as problem:  # noqa: BLE001 - one broken file must not cost the whole report
        return None, f"{what} cannot be drawn ({type(problem).__name__}: {problem})."


def _inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise SafegenError(f"The heatmap {name} lies outside the report folder; it is not read.")
    return path
