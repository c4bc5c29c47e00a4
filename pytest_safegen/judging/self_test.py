"""The self-test: planted faults, judged in the same run, that must fail.

It shows that this run, with its profile, limits and device, can still fail a bad scan. Nothing of
it is written, and it counts for nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_safegen.core.finding import Finding, Verdict
from pytest_safegen.core.scan import Scan, ScanRef
from pytest_safegen.core.score import Measure
from pytest_safegen.judging.unjudged import unjudged

if TYPE_CHECKING:
    import numpy as np

    from pytest_safegen.judging.runner import Runner

SELF_TEST = "self-test"
STRENGTH = 1.0
FAMILIES = ("blur", "noise", "checkerboard", "interleaved-gain", "shuffled-slices", "coarse")
"""Faults of the whole scan, for CT and MR alike, that no check should let through."""


@dataclass(frozen=True, slots=True)
class PlantedFault:
    """One planted fault, and the checks that failed it; `problem` says why it was not judged."""

    target: str
    fault: str
    failed_by: tuple[str, ...] = ()
    problem: str = ""

    @property
    def outcome(self) -> str:
        """Which checks failed it, in a few words."""
        outcome = self.problem or f"failed by {' and '.join(self.failed_by) or 'no check'}"
        return f"{self.fault} in {self.target}: {outcome.rstrip('.')}"


def run_self_test(
    runner: Runner,
    checks: Sequence[str],
    refs: Sequence[ScanRef],
    findings: Iterable[Finding],
    *,
    count: int,
    seed: int,
) -> Finding:
    """The verdict on `count` planted faults: PASS if each is failed by a check, else INCONCLUSIVE.

    `checks` compare scans with real ones. Faults are planted in scans that passed every check,
    since any other, a waived one too, may fail anyway; if those are few, several in one scan.
    """
    not_passed = {finding.target for finding in findings if finding.verdict is not Verdict.PASS}
    passed = [ref for ref in refs if ref.target not in not_passed]
    if not checks:
        return _inconclusive("No active check compares scans with real ones.")
    if not passed:
        return _inconclusive("No scan passed, so a planted fault would show nothing.")
    from numpy.random import default_rng

    random = default_rng(seed)
    order = random.permutation(len(passed))
    chosen = [order[n % len(order)] for n in range(count)]
    faults = [(passed[place], FAMILIES[n % len(FAMILIES)]) for n, place in enumerate(chosen)]
    return _verdict([_judged(runner, checks, *each, random) for each in faults])


def _judged(
    runner: Runner,
    checks: Sequence[str],
    ref: ScanRef,
    fault: str,
    random: np.random.Generator,
) -> PlantedFault:
    corrupt = partial(_corrupted, fault=fault, random=random)
    try:
        findings = list(runner.changed(checks, ref, corrupt))
    except Exception as problem:  # noqa: BLE001  a reader or a stranger's check may raise anything
        return PlantedFault(ref.target, fault, problem=f"it could not be planted: {problem}")
    failed_by = tuple(finding.check for finding in findings if finding.verdict is Verdict.FAIL)
    return PlantedFault(ref.target, fault, failed_by)


def _corrupted(scan: Scan, *, fault: str, random: np.random.Generator) -> Scan:
    from pytest_safegen.faults import canvas_of, plant

    planted = plant(fault, canvas_of(scan), strength=STRENGTH, random=random)
    return replace(scan, voxels=planted.voxels)


def _verdict(faults: Sequence[PlantedFault]) -> Finding:
    missed = [fault for fault in faults if not fault.failed_by]
    measures = (
        Measure("planted", float(len(faults)), "scans"),
        Measure("caught", float(len(faults) - len(missed)), "scans"),
    )
    if missed:
        text = (
            f"{len(missed)} of {len(faults)} planted faults were missed, so a PASS in this run "
            f"means little: {_outcomes(missed)}."
        )
        headline = f"{len(missed)} of {len(faults)} planted faults missed"
        return replace(_inconclusive(text, headline), measures=measures)
    text = f"All {len(faults)} planted faults were caught: {_outcomes(faults)}."
    return Finding(SELF_TEST, "", Verdict.PASS, text, measures=measures)


def _outcomes(faults: Iterable[PlantedFault]) -> str:
    return "; ".join(fault.outcome for fault in faults)


def _inconclusive(text: str, headline: str = "") -> Finding:
    return unjudged(SELF_TEST, "", Verdict.INCONCLUSIVE, text, headline=headline)
