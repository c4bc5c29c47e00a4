"""One trial: fit on some real patients, judge others untouched, with faults, and copies."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from tqdm import tqdm

from benchmarks.copies import COPIES, pair_of
from benchmarks.faults import FAULTS
from benchmarks.scans import Mask, write
from pytest_safegen import Detector, Finding, Release, ScanRef, Scope, Verdict
from pytest_safegen.api import PrepareOptions, Settings, load_profiles, read_scan
from pytest_safegen.config.plugins import build_manager, detectors
from pytest_safegen.judging.runner import Runner
from pytest_safegen.profiles.fit import Fitter
from pytest_safegen.profiles.model import ProfileSet

Findings = Mapping[str, Finding]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the gate said of one scan.

    `kind` is the fault or the disturbance, "" for an untouched scan; `source` the copied patient;
    `peak_inside` says whether the heatmap is highest in the fault, None where that has no sense.
    """

    kind: str
    findings: Findings
    seconds: float
    source: str = ""
    peak_inside: bool | None = None

    def failed(self, check: str) -> bool:
        """True if that check let the scan not through."""
        return self.findings[check].verdict.blocks

    def caught(self) -> bool:
        """True if any check did not let the scan through."""
        return any(map(self.failed, self.findings))

    def warned(self, check: str) -> bool:
        """True if that check warned."""
        return self.findings[check].verdict is Verdict.WARN

    def score(self, check: str) -> float:
        """The score; minus infinity where the scan was not judged."""
        score = self.findings[check].score
        return float("-inf") if score is None else score

    def named(self) -> bool:
        """True if memorization names the copied patient."""
        return self.source in (self.findings["memorization"].nearest or "").split(" = ")


@dataclass(frozen=True, slots=True)
class Trial:
    """All outcomes of one split of the patients."""

    fit_seconds: float
    patients: int
    clean: tuple[Outcome, ...]
    faults: tuple[Outcome, ...]
    copies: tuple[Outcome, ...]

    def planted(self, check: str) -> tuple[Outcome, ...]:
        """What a check should catch: memorization the copies, anomaly the faults."""
        return self.copies if check == "memorization" else self.faults


def settings_for(report: Path) -> Settings:
    """The settings of the benchmark: every heatmap is kept."""
    return Settings(root=report, report=report, heatmaps="all")


def all_detectors(settings: Settings) -> dict[str, Detector]:
    """Every detector that is installed."""
    return detectors(build_manager(settings), settings)


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges single scans with all checks that speak of scans, as the pytest side does."""

    pipeline: Runner
    checks: tuple[str, ...]
    report: Path

    @staticmethod
    @contextmanager
    def of(profiles: ProfileSet) -> Iterator[Judge]:
        """A judge with its own report folder, gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="safegen-benchmark-") as folder:
            settings = settings_for(Path(folder))
            known = all_detectors(settings)
            pipeline = Runner(settings, known, profiles)
            # Integrity first: the first check bears the reading and the alignment.
            checks = sorted(n for n, detector in known.items() if detector.scope is Scope.SCAN)
            checks.sort(key=lambda name: name != "integrity")
            try:
                yield Judge(pipeline, tuple(checks), Path(folder))
            finally:
                pipeline.close()

    @staticmethod
    @contextmanager
    def loaded(profile: Path) -> Iterator[Judge]:
        """A judge from a profile on disk."""
        known = all_detectors(settings_for(profile.parent))
        with Judge.of(load_profiles(profile, known)) as judge:
            yield judge

    def findings(self, ref: ScanRef) -> Findings:
        """One finding a check."""
        return {check: self.pipeline.scan(check, ref) for check in self.checks}

    def outcome(
        self, ref: ScanRef, *, kind: str = "", source: str = "", where: Mask | None = None
    ) -> Outcome:
        """The outcome for one scan; heatmaps are looked at and deleted."""
        started = time.perf_counter()
        findings = self.findings(ref)
        seconds = time.perf_counter() - started
        check = "memorization" if source else "anomaly"
        inside = None if where is None else self._peak_inside(findings[check], where)
        for finding in findings.values():
            if finding.heatmap:
                (self.report / finding.heatmap).unlink(missing_ok=True)
        return Outcome(kind, findings, seconds, source, inside)

    def _peak_inside(self, finding: Finding, where: Mask) -> bool:
        if finding.heatmap is None:
            return False
        values = np.asarray(nib.load(self.report / finding.heatmap).dataobj)
        return bool(where[np.unravel_index(int(values.argmax()), values.shape)])


@dataclass(frozen=True, slots=True)
class Plan:
    """Which patients are learned from and judged, and how many scans a kind are spoiled."""

    reference: Release
    release: Release
    planted: int
    seed: int


def fitted(plan: Plan) -> tuple[ProfileSet, float]:
    """What all detectors learn from the reference, and how many seconds it took."""
    known = all_detectors(settings_for(Path.cwd()))
    fitter = Fitter(known, seed=plan.seed, progress=lambda items, label: tqdm(items, label))
    started = time.perf_counter()
    return fitter.fit([plan.reference], []), time.perf_counter() - started


def run_trial(plan: Plan) -> tuple[Trial, ProfileSet]:
    """Fit, judge the release untouched, then with every fault, then every disturbed copy."""
    profiles, seconds = fitted(plan)
    with Judge.of(profiles) as judge, tempfile.TemporaryDirectory() as folder:
        trial = Trial(
            seconds,
            len(plan.reference.series),
            tuple(judge.outcome(ref) for ref in tqdm(plan.release.refs, "untouched")),
            tuple(_faulty(judge, plan, Path(folder))),
            tuple(_copied(judge, plan, Path(folder))),
        )
    return trial, profiles


def _faulty(judge: Judge, plan: Plan, folder: Path) -> Iterator[Outcome]:
    refs = plan.release.refs
    for number, (kind, plant) in enumerate(FAULTS.items()):
        random = np.random.default_rng([plan.seed, number])
        for place in tqdm(random.permutation(len(refs))[: plan.planted], kind):
            scan, where = plant(read_scan(refs[place]), random)
            ref = write(scan, folder, f"fault-{number}-{place}")
            yield judge.outcome(ref, kind=kind, where=where)


def _copied(judge: Judge, plan: Plan, folder: Path) -> Iterator[Outcome]:
    random = np.random.default_rng([plan.seed, len(FAULTS)])
    for place, (source, host) in enumerate(tqdm(_pairs(plan, random), "copies")):
        pair = pair_of(read_scan(source), read_scan(host), _options(judge, source))
        for number, (kind, plant) in enumerate(COPIES.items()):
            scan, where = plant(pair, random)
            ref = write(scan, folder, f"copy-{number}-{place}")
            yield judge.outcome(ref, kind=kind, source=source.subject, where=where)


def _pairs(plan: Plan, random: np.random.Generator) -> list[tuple[ScanRef, ScanRef]]:
    """Random reference scans, each with a random scan of the release."""
    sources, hosts = plan.reference.refs, plan.release.refs
    chosen = random.permutation(len(sources))[: plan.planted]
    return [(sources[place], hosts[random.integers(len(hosts))]) for place in chosen]


def _options(judge: Judge, ref: ScanRef) -> PrepareOptions:
    profiles = judge.pipeline.profiles
    template = profiles.bundle(ref.modality).template if profiles else None
    if template is None:
        raise SystemExit("There are too few reference patients to learn from: give more.")
    return template.options
