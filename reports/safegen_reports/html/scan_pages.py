"""The page of one target: each finding with its pictures, charts and viewer maps."""

from __future__ import annotations

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
from safegen_reports.findings import explanation_of, headline_of
from safegen_reports.html.charts import GrowthCurve, Histogram, growth_curve, score_histogram
from safegen_reports.html.images import viewer_data
from safegen_reports.html.images.geometry import to_ras
from safegen_reports.html.images.slices import Figure, draw_figure, write_thumbnail
from safegen_reports.html.images.timepoints import Timepoint, align_series
from safegen_reports.html.targets import PictureBudget, Target
from safegen_reports.limits import MeasureRow, measure_rows

ReadScan = Callable[[ScanRef], Scan]
LoadHeatmap = Callable[[Path], Heatmap]
Result = TypeVar("Result")

SCORE_MAP = "score"
"""The name of the score's own heatmap among the maps that explain it."""


class LastScanCache:
    """Reads scans and keeps the last one: most findings of one target need the same scan."""

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
    """One map of a finding with its name; `problem` is the reason where it has no picture."""

    name: str
    figure: Figure | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class FindingSection:
    """A finding as its page shows it; of `maps` its heatmap comes first, then explanations."""

    finding: Finding
    headline: str
    explanation: str
    measures: tuple[MeasureRow, ...]
    maps: tuple[MapPicture, ...]
    chart: Histogram | None
    growth: GrowthCurve | None

    @property
    def figure(self) -> Figure | None:
        """The first picture, None if there is none."""
        return next((each.figure for each in self.maps if each.figure), None)


@dataclass(frozen=True, slots=True)
class ViewerContent:
    """The content of a page's viewer: its script, the maps, the timepoints of a series."""

    key: str
    path: str
    layers: tuple[viewer_data.MapLayer, ...]
    downsampling: tuple[int, int, int]
    timepoints: tuple[Timepoint, ...] = ()
    has_lesion: bool = False


@dataclass(frozen=True, slots=True)
class TargetPage:
    """All that the template of one target needs; `figure` shows the scan if no finding does.

    `left_out` is True where the budget for pictures was spent on worse targets.
    """

    target: Target
    sections: tuple[FindingSection, ...]
    figure: Figure | None = None
    problem: str = ""
    viewer: ViewerContent | None = None
    viewer_problem: str = ""
    thumbnail: str | None = None
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class PageRenderer:
    """Draws the pictures of one run's report into a folder."""

    run: Run
    folder: Path
    read: ReadScan
    load_heatmap: LoadHeatmap
    budget: PictureBudget = field(default_factory=PictureBudget)

    def page(self, target: Target) -> TargetPage:
        """Draw all pictures of a target; one that cannot be drawn becomes a sentence."""
        if target.refs and self.budget.is_spent:
            return TargetPage(target, self._sections(target, draw_maps=False), left_out=True)
        sections = self._sections(target, draw_maps=True)
        if not target.refs:
            return TargetPage(target, sections)
        first = next((each.figure for each in sections if each.figure), None)
        figure, problem = (
            (None, "") if first else try_drawing(lambda: self._overview(target), "The scan")
        )
        drawn = first or figure
        thumbnail = write_thumbnail(drawn, self.folder, target.stem) if drawn else None
        viewer, viewer_problem = (
            try_drawing(lambda: self._viewer(target, sections), "The viewer")
            if drawn
            else (None, "")
        )
        self._spend(sections, figure, thumbnail, viewer)
        return TargetPage(target, sections, figure, problem, viewer, viewer_problem, thumbnail)

    def _sections(self, target: Target, *, draw_maps: bool) -> tuple[FindingSection, ...]:
        return tuple(
            finding_section(
                self.run,
                finding,
                self._maps(target, finding, number) if draw_maps and target.refs else (),
            )
            for number, finding in enumerate(target.findings, start=1)
        )

    def _maps(self, target: Target, finding: Finding, number: int) -> tuple[MapPicture, ...]:
        maps: list[MapPicture] = []
        for name, path in _heatmap_paths(finding):
            stem = f"{target.stem}-{number}" + (f"-{len(maps)}" if maps else "")
            first = next((each.figure for each in maps if each.figure), None)
            figure, problem = try_drawing(self._drawing(target, path, stem, first), path)
            maps.append(MapPicture(name, figure, problem))
        return tuple(maps)

    def _drawing(
        self, target: Target, path: str, stem: str, first: Figure | None
    ) -> Callable[[], Figure]:
        """A function that draws the map over the same slices as the first one of that scan."""

        def draw() -> Figure:
            heatmap = self._load_map(path)
            ref = _heatmap_scan(target, heatmap)
            under = first if first and first.target == ref.target else None
            return draw_figure(self.read(ref), heatmap, folder=self.folder, stem=stem, under=under)

        return draw

    def _load_map(self, path: str) -> Heatmap:
        return self.load_heatmap(_path_inside(self.folder, path))

    def _overview(self, target: Target) -> Figure:
        scan = self.read(target.refs[-1])
        return draw_figure(scan, None, folder=self.folder, stem=f"{target.stem}-0")

    def _viewer(self, target: Target, sections: tuple[FindingSection, ...]) -> ViewerContent:
        if target.kind == "series":
            return self._series_viewer(target, sections)
        scan = self.read(target.refs[0])
        downsampling = viewer_data.downsampling_factors(to_ras(scan.voxels, scan.affine))
        layers = tuple(
            viewer_data.encode_map(self._load_map(path), downsampling, **facts)
            for path, _, facts in _drawn_maps(sections)
        )
        encoded = viewer_data.encode_scan(scan, downsampling)
        path = self._write_script(target, [encoded], layers)
        return ViewerContent(target.stem, path, layers, downsampling, has_lesion="mask" in encoded)

    def _series_viewer(self, target: Target, sections: tuple[FindingSection, ...]) -> ViewerContent:
        series = align_series(target.refs, self.read, _first_mapped_scan(sections))
        layers = tuple(
            viewer_data.encode_map(
                on_grid, (1, 1, 1), **facts | {"worst": series.to_first(facts["worst"], of)}
            )
            for path, of, facts in _drawn_maps(sections)
            if (on_grid := series.on_grid(self._load_map(path), of)) is not None
        )
        path = self._write_script(target, series.encoded, layers)
        lesion = any("mask" in each for each in series.encoded)
        return ViewerContent(
            target.stem, path, layers, series.downsampling, series.timepoints, has_lesion=lesion
        )

    def _write_script(self, target: Target, encoded: Any, layers: Any) -> str:
        path = f"volumes/{target.stem}.js"
        script = viewer_data.viewer_script(target.stem, encoded, layers)
        write_text(self.folder / path, script, durable=False)
        return path

    def _spend(self, sections: Any, figure: Any, thumbnail: Any, viewer: Any) -> None:
        figures = [picture.figure for each in sections for picture in each.maps]
        paths = {path for each in (*figures, figure) if each for path in each.paths}
        paths |= {thumbnail, viewer.path if viewer else None} - {None}
        self.budget.spend(sum((self.folder / path).stat().st_size for path in paths))


def finding_section(
    run: Run, finding: Finding, maps: tuple[MapPicture, ...] = ()
) -> FindingSection:
    """A finding with its words, its numbers beside their limits, and its charts."""
    return FindingSection(
        finding,
        headline_of(finding),
        explanation_of(finding),
        tuple(measure_rows(run, finding)),
        maps,
        score_histogram(finding, calibration_of(run, finding.check, finding.modality)),
        growth_curve(finding),
    )


def try_drawing(draw: Callable[[], Result], what: str) -> tuple[Result | None, str]:
    """The result and "", or None and a sentence on what went wrong."""
    try:
        return draw(), ""
    except SafegenError as problem:
        return None, str(problem)
    except Exception as problem:  # noqa: BLE001 - one broken file must not cost the whole report
        return None, f"{what} cannot be drawn ({type(problem).__name__}: {problem})."


def _heatmap_paths(finding: Finding) -> list[tuple[str, str]]:
    """The names and paths of a finding's maps; the detector's own is named "score"."""
    own = [(SCORE_MAP, finding.heatmap)] if finding.heatmap else []
    return [*own, *finding.layers.items()]


def _drawn_maps(sections: tuple[FindingSection, ...]) -> list[tuple[str, str, dict[str, Any]]]:
    """Path, scan and facts of every map of a page that could be drawn."""
    return [
        (path, picture.figure.target, _map_facts(number, each.finding, picture))
        for number, each in enumerate(sections, start=1)
        for (_, path), picture in zip(_heatmap_paths(each.finding), each.maps, strict=False)
        if picture.figure
    ]


def _map_facts(number: int, finding: Finding, picture: MapPicture) -> dict[str, Any]:
    figure = picture.figure
    assert figure is not None  # noqa: S101  only maps that were drawn have facts
    peak, worst = figure.peak or 0.0, figure.worst or figure.place
    return {
        "finding": number,
        "check": finding.check,
        "name": picture.name,
        "peak": peak,
        "worst": worst,
    }


def _first_mapped_scan(sections: tuple[FindingSection, ...]) -> str | None:
    """The scan of the first map of a series."""
    return next((of for _, of, _ in _drawn_maps(sections)), None)


def _heatmap_scan(target: Target, heatmap: Heatmap) -> ScanRef:
    return next((ref for ref in target.refs if ref.target == heatmap.of), target.refs[-1])


def _path_inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise SafegenError(f"The heatmap {name} lies outside the report folder; it is not read.")
    return path
