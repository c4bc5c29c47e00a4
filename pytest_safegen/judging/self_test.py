"""The self-test: planted faults, judged in the same run, that must fail.

It shows that this run, with its profile, limits and device, can still say no. Nothing of it is
written, and it counts for nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_safegen.core.finding import Finding, Verdict
from pytest_safegen.core.scan import Scan, ScanRef
from pytest_safegen.core.score import Measure

if TYPE_CHECKING:
    import numpy as np

    from pytest_safegen.judging.runner import Runner

SELF_TEST = "canaries"
STRENGTH = 1.0
FAMILIES = ("blur", "noise", "checkerboard", "interleaved-gain", "shuffled-slices", "coarse")
"""Faults of the whole scan, for CT and MR alike, that nobody should let through."""


@dataclass(frozen=True, slots=True)
class PlantedFault:
    """One planted fault, and the checks that failed it; `problem` says why it was not judged."""

    target: str
    fault: str
    caught_by: tuple[str, ...] = ()
    problem: str = ""

    @property
    def said(self) -> str:
        """What became of it, in a few words."""
        outcome = self.problem or f"failed by {' and '.join(self.caught_by) or 'no check'}"
        return f"{self.fault} in {self.target}: {outcome}"


def run_self_test(
    pipeline: Runner,
    checks: Sequence[str],
    refs: Sequence[ScanRef],
    findings: Iterable[Finding],
    *,
    count: int,
    seed: int,
) -> Finding:
    """The verdict on `count` canaries: PASS if one of the checks fails each, else INCONCLUSIVE.

    `checks` compare scans with real ones. Faults are planted in scans that passed every check,
    since another one, a waived one too, may fail anyway; where those are few, several in one.
    """
    doubted = {finding.target for finding in findings if finding.verdict is not Verdict.PASS}
    sound = [ref for ref in refs if ref.target not in doubted]
    if not checks:
        return _inconclusive("No check that compares scans with real ones is in force.")
    if not sound:
        return _inconclusive("No scan passed, so a planted fault would show nothing.")
    from numpy.random import default_rng

    random = default_rng(seed)
    order = random.permutation(len(sound))
    chosen = [order[n % len(order)] for n in range(count)]
    planted = [(sound[place], FAMILIES[n % len(FAMILIES)]) for n, place in enumerate(chosen)]
    return _verdict([_judged(pipeline, checks, *each, random) for each in planted])


def _judged(
    pipeline: Runner,
    checks: Sequence[str],
    ref: ScanRef,
    fault: str,
    random: np.random.Generator,
) -> PlantedFault:
    spoil = partial(_corrupted, fault=fault, random=random)
    try:
        found = list(pipeline.changed(checks, ref, spoil))
    except Exception as problem:  # noqa: BLE001  a reader or a check of others may fail in any way
        return PlantedFault(ref.target, fault, problem=f"it could not be planted: {problem}")
    caught = tuple(finding.check for finding in found if finding.verdict is Verdict.FAIL)
    return PlantedFault(ref.target, fault, caught)


def _corrupted(scan: Scan, *, fault: str, random: np.random.Generator) -> Scan:
    from pytest_safegen.faults import canvas_of, plant

    planted = plant(fault, canvas_of(scan), strength=STRENGTH, random=random)
    return replace(scan, voxels=planted.voxels)


def _verdict(canaries: Sequence[PlantedFault]) -> Finding:
    missed = [canary for canary in canaries if not canary.caught_by]
    measures = (
        Measure("planted", float(len(canaries)), "scans"),
        Measure("caught", float(len(canaries) - len(missed)), "scans"),
    )
    if missed:
        text = (
            f"{len(missed)} of {len(canaries)} planted faults went through, so the passes of this "
            f"run say little: {'; '.join(_outcomes(missed))}."
        )
        return replace(_inconclusive(text), measures=measures)
    text = f"All {len(canaries)} planted faults were caught: {'; '.join(_outcomes(canaries))}."
    return Finding(SELF_TEST, "", Verdict.PASS, text, measures=measures)


def _outcomes(canaries: Iterable[PlantedFault]) -> Iterator[str]:
    return (canary.said.rstrip(".") for canary in canaries)


def _inconclusive(text: str) -> Finding:
    return Finding(SELF_TEST, "", Verdict.INCONCLUSIVE, text)
