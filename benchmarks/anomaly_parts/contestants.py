"""What competes: the gate's check as it is, its methods alone, and published ideas.

Every method is fitted once on the same samples. A panel is what is judged: some methods whose
statistics are brought to one scale by the same fusion and calibrated on their own held-out scores.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.anomaly_parts.cohort import Reference
from benchmarks.anomaly_parts.kinds import QUARTERS
from pytest_safegen.api import limit_at
from safegen_detectors.anomaly.methods import fusion
from safegen_detectors.anomaly.methods.base import Learned, Method, Reader, Reading
from safegen_detectors.anomaly.methods.fusion import Scales, joined_statistics
from safegen_detectors.anomaly.methods.segmentation.method import ArtefactSegmentation
from safegen_detectors.anomaly.options import METHOD_NAMES, SEGMENTATION, methods_named
from safegen_detectors.anomaly.reference.normalized import NormalizedSample

OURS = "safegen"
ALL = "all"
RATES = (0.025, 0.05)
OUTLINED = 0.995  # a baseline outlines what exceeds this quantile of real scans
SCANS_FOR_OUTLINE = 8
FROM_ANOMALIB = ("padim", "patchcore")


@dataclass(frozen=True, slots=True)
class Part:
    """What a method learned, and the method at work; `variant` is the quarter that it never saw, ""
    if none."""

    reader: Reader
    variant: str
    learned: Learned
    seconds: float


@dataclass(frozen=True, slots=True)
class Panel:
    """Methods that are judged together; `parts` are names of parts, `outline` the map's limit."""

    name: str
    variant: str
    parts: tuple[str, ...]
    scales: Scales
    calibration: NDArray[np.float64]
    outline: float = 1.0

    @property
    def key(self) -> str:
        """The panel among all panels."""
        return f"{self.name}/{self.variant}" if self.variant else self.name

    def limits(self) -> tuple[float, ...]:
        """The limit of the score at each of RATES."""
        return tuple(limit_at(self.calibration, rate).value for rate in RATES)

    def score(self, readings: Mapping[str, Reading]) -> float:
        """The score, given the readings of parts by name."""
        return float(self.scales.departures(self._joined(readings)).max())

    def map(self, readings: Mapping[str, Reading]) -> torch.Tensor | None:
        """The map as the gate makes it: the network's if there is one, else the mean of all."""
        maps = {name: readings[name].map for name in self.parts}
        known = {name: one for name, one in maps.items() if one is not None}
        sharp = [one for name, one in known.items() if name.startswith(SEGMENTATION)]
        chosen = sharp or list(known.values())
        return torch.stack(chosen).mean(0) / self.outline if chosen else None

    def _joined(self, readings: Mapping[str, Reading]) -> dict[str, float]:
        return joined_statistics({_plain(n): readings[n].statistics for n in self.parts})


@dataclass(frozen=True, slots=True)
class Field:
    """All parts by name, all panels, and why something is not there."""

    parts: Mapping[str, Part]
    panels: tuple[Panel, ...]
    not_run: tuple[str, ...]

    def judges(self, quarter: str) -> tuple[Panel, ...]:
        """The panels for a fault of a quarter: those that never saw it or learned from none."""
        return tuple(panel for panel in self.panels if panel.variant in ("", quarter, ALL))


def fit_field(
    reference: Reference,
    *,
    methods: Sequence[str],
    baselines: Sequence[str],
    quarters: Sequence[str],
    steps: int,
    also_all: bool,
    seed: int,
) -> Field:
    """Fit all methods, and make the panels."""
    missing = missing_of(baselines)
    wanted = dict(_ours(methods, quarters, steps, also_all=also_all))
    known = [name for name in baselines if name not in methods and name not in missing]
    wanted |= {name: ("", baseline_named(name, steps)) for name in known}
    shown = tqdm(wanted.items(), desc="fitting")
    parts = {name: _fitted(method, quarter, reference, seed) for name, (quarter, method) in shown}
    panels = list(_panels(methods, parts, reference.patients))
    panels += [
        _panel(n, "", [n], parts, reference.patients, _outline(n, parts, reference)) for n in known
    ]
    return Field(parts, tuple(panels), tuple(f"{name}: {why}" for name, why in missing.items()))


def baseline_named(name: str, steps: int) -> Method:
    """A baseline, or one of the gate's own methods that are not in its default.

    Raises:
        SystemExit: there is none of that name.
    """
    options: dict[str, Any] = {"steps": steps} if steps else {}
    if name in METHOD_NAMES:
        return methods_named([name], {name: options})[0]
    baselines = importlib.import_module("benchmarks.baselines")
    untrained = {"zscore": "ZScore", "histogram": "Histogram"} | {n: n for n in FROM_ANOMALIB}
    if name in untrained:
        return getattr(baselines, untrained[name])()  # type: ignore[no-any-return]
    if name not in baselines.__all__:
        raise SystemExit(f"There is no baseline called {name!r}.")
    return getattr(baselines, name)(**options)  # type: ignore[no-any-return]


def missing_of(baselines: Sequence[str]) -> dict[str, str]:
    """Which of the baselines cannot run here, and why."""
    if importlib.util.find_spec("anomalib") is not None:
        return {}
    return {name: "anomalib is not installed" for name in baselines if name in FROM_ANOMALIB}


def _ours(
    methods: Sequence[str], quarters: Sequence[str], steps: int, *, also_all: bool
) -> Iterator[tuple[str, tuple[str, Method]]]:
    own: dict[str, Any] = {"steps": steps} if steps else {}
    for name in methods:
        if name != SEGMENTATION:
            trained = own if name not in ("atlas", "image-quality") else {}
            yield name, ("", methods_named([name], {name: trained})[0])
            continue
        held = {name: QUARTERS[name] for name in quarters}
        for quarter, without in {**held, **({ALL: ()} if also_all else {})}.items():
            options = {name: {**_lessons(steps), "without": without}}
            yield f"{name}/{quarter}", (quarter, methods_named([name], options)[0])


def _lessons(steps: int) -> dict[str, Any]:
    """Fewer steps see fewer crops, and making these takes longer than the steps."""
    usual = ArtefactSegmentation()
    share = steps / usual.steps
    few = {"volumes": usual.volumes, "validated": usual.validated}
    cut = {name: max(4, round(min(share, 1) * count)) for name, count in few.items()}
    return {"steps": steps, **cut} if steps else {}


def _fitted(method: Method, variant: str, reference: Reference, seed: int) -> Part:
    started = time.perf_counter()
    learned = method.fit(reference.samples, reference.ground, seed=seed, device="cpu")
    seconds = time.perf_counter() - started
    reader = method.open(learned, reference.stored, device="cpu")
    return Part(reader, variant, learned, seconds)


def _panels(
    methods: Sequence[str], parts: Mapping[str, Part], patients: Sequence[str]
) -> Iterator[Panel]:
    """The gate's check, and each of its methods alone, once a variant."""
    variants = list(dict.fromkeys(parts[n].variant for n in parts if _plain(n) == SEGMENTATION))
    for variant in variants or [""]:
        names = [f"{n}/{variant}" if n == SEGMENTATION else n for n in methods]
        yield _panel(OURS, variant, names, parts, patients)
        if SEGMENTATION in methods and len(methods) > 1:
            yield _panel(SEGMENTATION, variant, [f"{SEGMENTATION}/{variant}"], parts, patients)
    for name in methods:
        if name != SEGMENTATION and len(methods) > 1:
            yield _panel(name, "", [name], parts, patients)


def _panel(
    name: str,
    variant: str,
    names: Sequence[str],
    parts: Mapping[str, Part],
    patients: Sequence[str],
    outline: float = 1.0,
) -> Panel:
    held_out = [
        joined_statistics({_plain(n): parts[n].learned.held_out[place] for n in names})
        for place in range(len(patients))
    ]
    worst: dict[str, float] = {}
    for patient, score in zip(patients, fusion.held_out_scores(held_out, patients), strict=True):
        worst[patient] = max(score, worst.get(patient, score))
    calibration = np.sort(np.array(list(worst.values())))
    return Panel(name, variant, tuple(names), fusion.scales_of(held_out), calibration, outline)


def _outline(name: str, parts: Mapping[str, Part], reference: Reference) -> float:
    """The limit of a baseline's map: a high quantile of it in real scans."""
    if name in METHOD_NAMES:
        return 1.0
    highest = []
    for sample in reference.samples[:SCANS_FOR_OUTLINE]:
        view = NormalizedSample(sample, reference.stored)
        found = parts[name].reader.read(view).map
        if found is not None:
            highest.append(float(np.quantile(found[view.judged].numpy(), OUTLINED)))
    return max(float(np.mean(highest)), 1e-9) if highest else 1.0


def _plain(name: str) -> str:
    """The name of the method of a part."""
    return name.partition("/")[0]
