"""The page of one target: each finding with its pictures, charts and viewer maps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pytest_safegen.api import (
    Finding,
    Heatmap,
    Run,
    SafegenError,
    Scan,
    ScanRef,
    calibration_of,
    write_text,
)
from safegen_reports.html.charts import GrowthCurve, Histogram, growth_curve, score_histogram
from safegen_reports.html.images import viewer_data
from safegen_reports.html.images.geometry import to_ras
from safegen_reports.html.images.slices import Figure, draw_figure, write_thumbnail
from safegen_reports.html.images.timepoints import Timepoint, align_series
from safegen_reports.html.targets import Target


class PictureBudget:
    """Counts what is spent; the target on which the limit is reached is still drawn."""

    def __init__(self, megabytes: float = math.inf) -> None:
        self._left = megabytes * 1e6

    @property
    def is_spent(self) -> bool:
        """True if nothing more may be drawn."""
        return self._left <= 0

    def pay(self, size: int) -> None:
        """Count some bytes."""
        self._left -= size


ReadScan = Callable[[ScanRef], Scan]

LoadHeatmap = Callable[[Path], Heatmap]

Result = TypeVar("Result")

SCORE_MAP = "score"
"""What the heatmap of the score is called among the maps that explain it."""


class LastScanCache:
    """Reads scans and keeps only the last one: findings of one target mostly want the same."""

    def __init__(self, read: ReadScan) -> None:
        self._read = read
        self._last: tuple[ScanRef, Scan] | None = None

    def __call__(self, ref: ScanRef) -> Scan:
        """The scan of the reference; raises ReadError."""
        if self._last is None or self._last[0] is not ref:
            self._last = None
            self._last = (ref, self._read(ref))
        return self._last[1]


@dataclass(frozen=True, slots=True)
class MapPicture:
    """One map of a finding with its name; `problem` says why there is no picture of it."""

    name: str
    figure: Figure | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class FindingSection:
    """A finding as its page shows it: its heatmap first, then the maps that explain it."""

    finding: Finding
    layers: tuple[MapPicture, ...]
    chart: Histogram | None
    growth: GrowthCurve | None

    @property
    def figure(self) -> Figure | None:
        """The first picture that there is."""
        return next((layer.figure for layer in self.layers if layer.figure), None)


@dataclass(frozen=True, slots=True)
class ViewerContent:
    """What the viewer of a page shows: its script, the maps, the timepoints of a series."""

    key: str
    path: str
    layers: tuple[viewer_data.MapLayer, ...]
    together: tuple[int, int, int]
    timepoints: tuple[Timepoint, ...] = ()
    has_lesion: bool = False


@dataclass(frozen=True, slots=True)
class TargetPage:
    """All that the template of one target needs; `figure` is the scan where no finding has one.

    `left_out` is True where the pictures' budget was spent before it came to this target.
    """

    target: Target
    shown: tuple[FindingSection, ...]
    figure: Figure | None = None
    problem: str = ""
    viewer: ViewerContent | None = None
    viewer_problem: str = ""
    thumbnail: str | None = None
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class PageRenderer:
    """Draws the pictures of one report: where to, and how scans and heatmaps are read."""

    folder: Path
    read: ReadScan
    load_heatmap: LoadHeatmap
    run: Run
    budget: PictureBudget = field(default_factory=PictureBudget)

    def page(self, target: Target) -> TargetPage:
        """Draw all pictures of a target; one that cannot be drawn becomes a sentence."""
        if target.refs and self.budget.is_spent:
            return TargetPage(target, self._shown(target, draw_maps=False), left_out=True)
        shown = self._shown(target, draw_maps=True)
        if not target.refs:
            return TargetPage(target, shown)
        first = next((each.figure for each in shown if each.figure), None)
        figure, problem = (
            (None, "") if first else try_drawing(lambda: self._overview(target), "The scan")
        )
        seen = first or figure
        thumbnail = write_thumbnail(seen, self.folder, target.stem) if seen else None
        viewer, trouble = (
            try_drawing(lambda: self._viewer(target, shown), "The viewer") if seen else (None, "")
        )
        self._pay(shown, figure, thumbnail, viewer)
        return TargetPage(target, shown, figure, problem, viewer, trouble, thumbnail)

    def _shown(self, target: Target, *, draw_maps: bool) -> tuple[FindingSection, ...]:
        return tuple(
            FindingSection(
                finding,
                self._layers(target, finding, number) if draw_maps and target.refs else (),
                score_histogram(finding, calibration_of(self.run, finding.check, finding.modality)),
                growth_curve(finding),
            )
            for number, finding in enumerate(target.findings, start=1)
        )

    def _layers(self, target: Target, finding: Finding, number: int) -> tuple[MapPicture, ...]:
        layers: list[MapPicture] = []
        for name, path in _heatmap_paths(finding):
            stem = f"{target.stem}-{number}" + (f"-{len(layers)}" if layers else "")
            first = next((layer.figure for layer in layers if layer.figure), None)
            figure, problem = try_drawing(self._drawing(target, path, stem, first), path)
            layers.append(MapPicture(name, figure, problem))
        return tuple(layers)

    def _drawing(
        self, target: Target, path: str, stem: str, first: Figure | None
    ) -> Callable[[], Figure]:
        """Draws the map over the same slices as the first one of that scan."""

        def drawn() -> Figure:
            heatmap = self._map(path)
            ref = _heatmap_scan(target, heatmap)
            under = first if first and first.target == ref.target else None
            return draw_figure(self.read(ref), heatmap, folder=self.folder, stem=stem, under=under)

        return drawn

    def _map(self, path: str) -> Heatmap:
        return self.load_heatmap(_path_inside(self.folder, path))

    def _overview(self, target: Target) -> Figure:
        scan = self.read(target.refs[-1])
        return draw_figure(scan, None, folder=self.folder, stem=f"{target.stem}-0")

    def _viewer(self, target: Target, shown: tuple[FindingSection, ...]) -> ViewerContent:
        if target.kind == "series":
            return self._series_viewer(target, shown)
        scan = self.read(target.refs[0])
        together = viewer_data.downsampling_factors(to_ras(scan.voxels, scan.affine))
        layers = tuple(
            viewer_data.encode_map(self._map(path), together, **facts)
            for path, _, facts in _drawn_maps(shown)
        )
        described = viewer_data.encode_scan(scan, together)
        path = self._write_script(target, [described], layers)
        return ViewerContent(target.stem, path, layers, together, has_lesion="mask" in described)

    def _series_viewer(self, target: Target, shown: tuple[FindingSection, ...]) -> ViewerContent:
        series = align_series(target.refs, self.read, _first_mapped_scan(shown))
        layers = tuple(
            viewer_data.encode_map(
                on_grid, (1, 1, 1), **facts | {"worst": series.place(facts["worst"], of)}
            )
            for path, of, facts in _drawn_maps(shown)
            if (on_grid := series.on_grid(self._map(path), of)) is not None
        )
        path = self._write_script(target, series.described, layers)
        lesion = any("mask" in each for each in series.described)
        return ViewerContent(
            target.stem, path, layers, series.together, series.timepoints, has_lesion=lesion
        )

    def _write_script(self, target: Target, described: Any, layers: Any) -> str:
        path = f"volumes/{target.stem}.js"
        script = viewer_data.viewer_script(target.stem, described, layers)
        write_text(self.folder / path, script, durable=False)
        return path

    def _pay(self, shown: Any, figure: Any, thumbnail: Any, viewer: Any) -> None:
        figures = [layer.figure for each in shown for layer in each.layers]
        paths = {path for each in (*figures, figure) if each for path in each.paths}
        paths |= {thumbnail, viewer.path if viewer else None} - {None}
        self.budget.pay(sum((self.folder / path).stat().st_size for path in paths))


def try_drawing(make: Callable[[], Result], what: str) -> tuple[Result | None, str]:
    """What was made, or a sentence on why it could not be."""
    try:
        return make(), ""
    except SafegenError as problem:
        return None, str(problem)
    except Exception as problem:  # noqa: BLE001 - one broken file must not cost the whole report
        return None, f"{what} cannot be drawn ({type(problem).__name__}: {problem})."


def _heatmap_paths(finding: Finding) -> list[tuple[str, str]]:
    """The names and paths of a finding's maps; the detector's own is named "score"."""
    own = [(SCORE_MAP, finding.heatmap)] if finding.heatmap else []
    return [*own, *finding.layers.items()]


def _drawn_maps(shown: tuple[FindingSection, ...]) -> list[tuple[str, str, dict[str, Any]]]:
    """Path, scan and facts of every map of a page that could be drawn."""
    return [
        (path, layer.figure.target, _map_facts(number, each.finding, layer.name, layer.figure))
        for number, each in enumerate(shown, start=1)
        for (_, path), layer in zip(_heatmap_paths(each.finding), each.layers, strict=False)
        if layer.figure
    ]


def _map_facts(number: int, finding: Finding, name: str, figure: Figure) -> dict[str, Any]:
    peak, worst = figure.peak or 0.0, figure.worst or figure.place
    return {"finding": number, "check": finding.check, "name": name, "peak": peak, "worst": worst}


def _first_mapped_scan(shown: tuple[FindingSection, ...]) -> str | None:
    """The scan of the first map of a series."""
    return next((of for _, of, _ in _drawn_maps(shown)), None)


def _heatmap_scan(target: Target, heatmap: Heatmap) -> ScanRef:
    return next((ref for ref in target.refs if ref.target == heatmap.of), target.refs[-1])


def _path_inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise SafegenError(f"The heatmap {name} lies outside the report folder; it is not read.")
    return path
