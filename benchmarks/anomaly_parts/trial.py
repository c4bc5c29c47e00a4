"""Judge the test scans untouched and with faults; only numbers are kept.

A fault is planted in the scan as it was read, which is then prepared and aligned anew, as a
user's scan would be.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tqdm import tqdm

from benchmarks.anomaly_parts.cohort import Reference, target_of
from benchmarks.anomaly_parts.contestants import OURS, Field, Panel
from benchmarks.anomaly_parts.donors import donated
from benchmarks.anomaly_parts.faithfulness import Faithful, faithful
from benchmarks.anomaly_parts.kinds import FOREIGN, Kind
from benchmarks.anomaly_parts.places import Mask, Places, places_of, truth_on
from benchmarks.scans import with_voxels
from pytest_safegen import NotJudged, Scan, ScanRef, ScanTarget
from pytest_safegen.api import Canvas, read_scan
from pytest_safegen.faults import canvas_of
from safegen_detectors.anomaly.methods.base import Reading
from safegen_detectors.anomaly.reference.normalized import NormalizedSample
from safegen_detectors.anomaly.reference.samples import reject_dissimilar, sample_of
from safegen_detectors.threads import side_by_side

UNTOUCHED = ""


@dataclass(frozen=True, slots=True)
class Planting:
    """One fault to plant in one test scan; `dose` if only the gate's check is asked;
    `explain` if the map is tried by insertion and deletion."""

    kind: Kind
    strength: float
    dose: bool = False
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What all panels said of one scan, by the panel's key.

    `kind` is UNTOUCHED or the fault's name; `problem` says why the scan could not be prepared;
    `refused` is True if the gate would not judge it, because it is nothing like the reference.
    """

    kind: str
    patient: str
    strength: float = 0.0
    dose: bool = False
    scores: Mapping[str, float] = field(default_factory=dict)
    places: Mapping[str, Places] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    faithful: Faithful | None = None
    refused: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Judge:
    """The reference, and all who learned from it."""

    reference: Reference
    field: Field
    seed: int

    def work(
        self, refs: Sequence[ScanRef], place: int, plantings: Sequence[Planting]
    ) -> list[Outcome]:
        """The outcomes of one test scan: untouched, then with each fault."""
        clock = Clock({})
        with clock.of("read"):
            scan = read_scan(refs[place])
        found = [
            self._outcome(scan, Outcome(UNTOUCHED, scan.ref.subject), self.field.panels, clock)
        ]
        if not plantings or found[0].problem:
            return found
        canvas = _canvas(scan)
        if any(planting.kind.group in FOREIGN for planting in plantings):
            donor = donated(canvas, scan, refs, place, self.reference.template)
            canvas = replace(canvas, donor=donor)
        found += [self._planted(scan, canvas, planting, place) for planting in plantings]
        return found

    def _planted(self, scan: Scan, canvas: Canvas, planting: Planting, place: int) -> Outcome:
        kind, clock = planting.kind, Clock({})
        with clock.of("plant"):
            random = kind.random(self.seed, place)
            planted = kind.plant(canvas, scan, planting.strength, random)
            spoiled = with_voxels(scan, planted.voxels)
        panels = self.field.judges(kind.quarter)
        if planting.dose:
            panels = tuple(panel for panel in panels if panel.name == OURS)
        blank = Outcome(kind.name, scan.ref.subject, planting.strength, planting.dose)
        clean = scan if planting.explain else None
        return self._outcome(spoiled, blank, panels, clock, mask=planted.mask, clean=clean)

    def _outcome(
        self,
        scan: Scan,
        blank: Outcome,
        panels: Sequence[Panel],
        clock: Clock,
        *,
        mask: Mask | None = None,
        clean: Scan | None = None,
    ) -> Outcome:
        try:
            with clock.of("prepare"):
                target = target_of(scan, self.reference.template)
        except NotJudged as problem:
            return replace(blank, problem=str(problem), seconds=clock.seconds)
        with clock.of("features"):
            view = NormalizedSample(sample_of(target), self.reference.stored)
            view.standardized  # noqa: B018  lazy, and shared by the methods
        readings = self._readings(view, panels, clock)
        found = replace(
            blank,
            scores={panel.key: panel.score(readings) for panel in panels},
            seconds=clock.seconds,
            refused=self._refused(target),
        )
        if mask is None or blank.dose:
            return found
        places = _places(mask, target, scan, view, panels, readings)
        if clean is None:
            return replace(found, places=places)
        ours = next(panel for panel in panels if panel.name == OURS)
        without = sample_of(target_of(clean, self.reference.template))
        tested = faithful(view, without, ours, self.field.parts, readings)
        return replace(found, places=places, faithful=tested)

    def _readings(
        self, view: NormalizedSample, panels: Sequence[Panel], clock: Clock
    ) -> dict[str, Reading]:
        readings = {}
        for name in dict.fromkeys(name for panel in panels for name in panel.parts):
            part = self.field.parts[name]
            with clock.of(name):
                readings[name] = part.reader.read(view)
        return readings

    def _refused(self, target: ScanTarget) -> bool:
        try:
            reject_dissimilar(target, self.reference.likeness)
        except NotJudged:
            return True
        return False


@dataclass(frozen=True, slots=True)
class Clock:
    """Adds up wall seconds by the name of what was done."""

    seconds: dict[str, float]

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """What happens inside counts for that name."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def run(
    judge: Judge, refs: Sequence[ScanRef], plantings: Mapping[int, Sequence[Planting]]
) -> list[Outcome]:
    """All outcomes, test scans side by side; `plantings` by the place of the scan in `refs`."""
    shown = tqdm(total=len(refs) + sum(map(len, plantings.values())), desc="judging")

    def work(place: int) -> list[Outcome]:
        found = judge.work(refs, place, plantings.get(place, ()))
        shown.update(len(found))
        return found

    outcomes = side_by_side(work, range(len(refs)))
    shown.close()
    return [outcome for some in outcomes for outcome in some]


def _canvas(scan: Scan) -> Canvas:
    """The scan as a canvas; nothing is planted in stated pathology, which nobody judges."""
    canvas = canvas_of(scan)
    if scan.mask is None or not (canvas.body & ~scan.mask).any():
        return canvas
    return replace(canvas, body=canvas.body & ~scan.mask)


def _places(
    mask: Mask,
    target: ScanTarget,
    scan: Scan,
    view: NormalizedSample,
    panels: Sequence[Panel],
    readings: Mapping[str, Reading],
) -> dict[str, Places]:
    assert target.own is not None  # noqa: S101  target_of prepares
    truth = truth_on(mask, target.own, scan)
    if truth is None:
        return {}
    judged = view.judged.numpy()
    maps = {panel.key: panel.map(readings) for panel in panels}
    return {
        key: places_of(one.float().numpy(), truth, judged, spacing=view.sample.spacing)
        for key, one in maps.items()
        if one is not None
    }
