"""A small run with real files on disk, and a parser that asks a page what a person would."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import nibabel as nib
import numpy as np

from pytest_safegen import (
    Breach,
    Calibration,
    Finding,
    Heatmap,
    LeftOut,
    Measure,
    Release,
    Run,
    ScanRef,
    Series,
    Verdict,
)
from pytest_safegen.config.settings import Settings
from pytest_safegen.judging.heatmaps import save_heatmap, save_layer
from pytest_safegen.results.files import ResultLog
from pytest_safegen.results.gate_json import save_run
from safegen_reports import safegen_write_report
from safegen_reports.html.targets import collect_targets

HOSTILE = "sub-3 <script>alert('x')</script> \"ü\" &amp; {{ 7 * 7 }}"
SETTINGS = Settings(Path())
CONTENT = "0123456789abcdef" * 2
HEADLINE = "Strange <b>place</b>, 9 ml"
BREACH = Breach("score", 2.5, 1.0, Verdict.FAIL, source="8 held out")
WORST = (3, 8, 6)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
APART = {"td", "th", "dt", "dd", "span", "li", "text"}
VOID = {"meta", "link", "img", "input", "br", "hr"}


@dataclass
class Element:
    """An element of a page with all the text inside it."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""

    def __getitem__(self, name: str) -> str:
        return self.attributes[name] or ""

    @property
    def words(self) -> str:
        return " ".join(self.text.split())

    @property
    def classes(self) -> list[str]:
        return (self.attributes.get("class") or "").split()


@dataclass
class Document(HTMLParser):
    """All elements of a page; a tag that is closed wrongly is an error."""

    source: str
    elements: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.source)
        assert not self.open, f"{self.open[-1].tag} is never closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag
        if tag in APART:
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data

    def all(self, tag: str, name: str | None = None) -> list[Element]:
        """The elements of a tag, of a class if one is named."""
        found = [element for element in self.elements if element.tag == tag]
        return [each for each in found if name is None or name in each.classes]

    def one(self, identity: str) -> Element:
        """The element with an id."""
        (element,) = [each for each in self.elements if each.attributes.get("id") == identity]
        return element


@dataclass
class Site:
    """A written report, and what it was written from."""

    folder: Path
    run: Run
    release: Release

    def open(self, page: str = "index.html") -> Document:
        return Document((self.folder / page).read_text(encoding="utf-8"))

    def pages(self) -> list[Path]:
        return sorted(self.folder.rglob("*.html"))

    def page_of(self, target: str) -> Document:
        """The page whose headline is the target."""
        pages = [self.open(str(path.relative_to(self.folder))) for path in self.pages()]
        (page,) = [each for each in pages if each.all("h1")[0].words == " ".join(target.split())]
        return page

    def rewritten(self, **changes: object) -> Site:
        """The report of the run with other facts, in the same folder."""
        run = dataclasses.replace(self.run, **changes)  # type: ignore[arg-type]
        safegen_write_report(run, [self.release], self.folder, SETTINGS)
        return Site(self.folder, run, self.release)

    def with_name(self, target: str, name: str) -> Site:
        """The report with one scan, and its subject, under another name."""
        series = tuple(
            dataclasses.replace(
                each,
                refs=tuple(
                    dataclasses.replace(ref, target=name, subject=name)
                    if ref.target == target
                    else ref
                    for ref in each.refs
                ),
            )
            for each in self.release.series
        )
        findings = tuple(
            dataclasses.replace(each, target=name) if each.target == target else each
            for each in self.run.findings
        )
        release = dataclasses.replace(self.release, series=series)
        return dataclasses.replace(self, release=release).rewritten(findings=findings)

    def path_of(self, target: str) -> Path:
        """The file of a target's page."""
        (row,) = [row for row in collect_targets(self.run, [self.release]) if row.name == target]
        return self.folder / row.page

    def with_viewer(self, viewer: str) -> Site:
        """The same report with another viewer."""
        settings = dataclasses.replace(SETTINGS, viewer=viewer)
        safegen_write_report(self.run, [self.release], self.folder, settings)
        return self

    def with_failing(self, **changes: object) -> Site:
        """The report with the finding on the failing scan changed."""
        findings = [
            dataclasses.replace(each, **changes) if each.target == "sub-2_a.nii" else each  # type: ignore[arg-type]
            for each in self.run.findings
        ]
        return self.rewritten(findings=tuple(findings))

    def explained(self) -> Site:
        """The report with two more maps of the failing scan; the second is highest elsewhere."""
        (finding,) = [each for each in self.run.findings if each.target == "sub-2_a.nii"]
        for layer in LAYERS:
            finding = save_layer(layer, self.folder, finding)
        return self.with_failing(layers=finding.layers)


def _layer(name: str, meaning: str, place: tuple[int, int, int]) -> Heatmap:
    values = np.zeros((12, 14, 10), dtype=np.float32)
    values[place] = 1.5
    return Heatmap(values, AFFINE, meaning, ceiling=2.0, name=name)


LAYERS = (
    _layer("grad-cam", "What the <i>last</i> layer looks at", WORST),
    _layer("shap", "Share of each place in the score", (9, 4, 2)),
)


def _voxels() -> np.ndarray:
    i, j, k = np.indices((12, 14, 10))
    return (100 - (i - 6) ** 2 - (j - 7) ** 2 - (k - 5) ** 2).clip(0).astype(np.int16)


def heatmap_on(affine: np.ndarray, of: str = "") -> Heatmap:
    """A map of a scan of the site, highest at WORST."""
    offset = np.indices((12, 14, 10)) - np.reshape(WORST, (3, 1, 1, 1))
    values = 2.5 * np.exp(-(offset**2).sum(axis=0) / 6.0)
    return Heatmap(values.astype(np.float32), affine, "Unusual <b>texture</b>", of=of)


def _finding(check: str, target: str, verdict: Verdict, reason: str, score: float) -> Finding:
    measures = (Measure("outlined_volume", 1.25, "ml"),)
    return Finding(check, target, verdict, reason, score, 1.0, 0.05, measures, seconds=0.5)


REGRESSION = {
    "outcome": "regressed",
    "baseline": {
        "run": "run-0",
        "generator": "gen <1>",
        "version": "1.0",
        "created": "2025-12-01",
        "data_digest": "d0",
    },
    "rules": ["anomaly: failed +2%"],
    "reasons": [],
    "paired": True,
    "shared": 3,
    "regressions": ["anomaly: 0 of 3 and now 1 of 3 failed <b>"],
    "improvements": [],
    "new_failures": [
        {"check": "anomaly", "target": "sub-2_a.nii", "before": "PASS", "after": "FAIL"},
        {"check": "anomaly", "target": "gone.nii", "before": "PASS", "after": "FAIL"},
    ],
}


def write_site(folder: Path) -> Site:
    """The report of a release with a passing scan, a failing series, and a broken, hostile scan."""
    data, report = folder / "data", folder / "report"
    refs = []
    for number, name in enumerate(["sub-1_a.nii", "sub-2_a.nii", "sub-2_b.nii", "broken.nii"]):
        path = data / name
        path.parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(_voxels(), AFFINE), path)
        subject = name.split("_")[0]
        refs.append(ScanRef(name, subject, None, "T1w", path, months=6.0 * (number == 2)))
    refs[3].path.write_bytes(b"not an image")
    refs[3] = dataclasses.replace(refs[3], target=HOSTILE, subject=HOSTILE)
    series = (
        Series("sub-1", "sub-1", (refs[0],)),
        Series("sub-2", "sub-2", (refs[1], refs[2])),
        Series("sub-3", HOSTILE, (refs[3],)),
    )
    left_out = (LeftOut(data / "notes <i>.txt", "not a format of scans"),)
    release = Release(data, series, left_out=left_out)
    sick = _finding("anomaly", "sub-2_a.nii", Verdict.FAIL, "A <b>strange</b> place.", 2.5)
    sick = dataclasses.replace(sick, content=CONTENT, headline=HEADLINE, breaches=(BREACH,))
    growing = _finding("longitudinal", "sub-2", Verdict.WARN, "It grows.", 0.9)
    findings = (
        _finding("anomaly", "sub-1_a.nii", Verdict.PASS, "Like real scans.", 0.4),
        save_heatmap(heatmap_on(AFFINE), report, sick),
        _finding("anomaly", "sub-2_b.nii", Verdict.PASS, "Like real scans.", 0.5),
        save_heatmap(heatmap_on(AFFINE, of="sub-2_a.nii"), report, growing),
        Finding("integrity", HOSTILE, Verdict.ERROR, "It cannot be read."),
        Finding("metadata", "", Verdict.FAIL, "1 of 4 expectations failed."),
    )
    scores = [0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.8]
    run = Run(
        id="run-1",
        created="2026-01-05 09:31",
        verdict=Verdict.FAIL,
        reasons=("1 scan failed anomaly.", "The <table> failed."),
        roots=("data",),
        mode="enforce",
        findings=findings,
        counts={"series": 3, "discovered": 4, "collected": 4, "judged": 4, "reported": 4},
        generator="gen <1>",
        version="2.0",
        profile_digests={"anomaly": "abc123"},
        calibrations={"anomaly": {"": Calibration(tuple(scores), "8 held out", 1.0)}},
        environment={"python": "3.11"},
        regression=REGRESSION,
    )
    log = ResultLog(report)
    for finding in findings:
        log.add(finding)
    log.close()
    save_run(run, report)
    safegen_write_report(run, [release], report, SETTINGS)
    return Site(report, run, release)
