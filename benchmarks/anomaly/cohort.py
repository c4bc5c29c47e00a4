"""Real scans split by patient, and prepared as the gate prepares them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from pytest_safegen import NotJudged, Release, Scan, ScanRef, ScanTarget
from pytest_safegen.api import Prepared, ReadError, Template, align, canonical, read_scan
from pytest_safegen.profiles.fit import SUBJECTS_FOR_TEMPLATE
from pytest_safegen.testing import template_of
from safegen_detectors.anomaly.reference import statistics as reference_statistics
from safegen_detectors.anomaly.reference.samples import reference_samples, similarity_facts
from safegen_detectors.anomaly.reference.types import Mask, ReferenceStatistics, Sample
from safegen_detectors.threads import side_by_side

FEWEST = 10


@dataclass(frozen=True, slots=True)
class Split:
    """The scans to learn from and those to judge, no patient in both."""

    reference: tuple[ScanRef, ...]
    tests: tuple[ScanRef, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """The real scans that every method learns from, prepared once for all.

    `stored` is the ground as a profile holds it, rounded, for scans that are judged.
    """

    template: Template
    samples: tuple[Sample, ...]
    ground: ReferenceStatistics
    stored: ReferenceStatistics
    likeness: dict[str, float]
    left_out: tuple[str, ...]

    @property
    def patients(self) -> list[str]:
        """The patient of each sample."""
        return [sample.patient for sample in self.samples]


@dataclass(frozen=True, slots=True)
class _Member:
    """One scan of the reference: its sample, body on the template's grid, and likeness."""

    sample: Sample
    body: Mask
    light: ScanTarget


def split(found: Release, *, reference: int, tests: int, seed: int) -> Split:
    """A random split of the patients; all that are left are judged if `tests` is 0.

    Raises:
        SystemExit: too few patients.
    """
    series = list(found.series)
    random.Random(seed).shuffle(series)  # noqa: S311  no secret in it
    rest = series[reference : reference + tests if tests else None]
    if reference < FEWEST or not rest:
        raise SystemExit(
            f"--reference {reference} of {len(series)} patients: at least {FEWEST} are learned "
            "from, and at least one must be left to judge."
        )
    return Split(
        tuple(ref for one in series[:reference] for ref in one.refs),
        tuple(ref for one in rest for ref in one.refs),
    )


def reference_from(refs: Sequence[ScanRef]) -> Reference:
    """The reference prepared: template, samples, and what is usual at each place."""
    first = list({ref.subject: ref for ref in reversed(refs)}.values())[::-1]
    step = max(1, len(first) // SUBJECTS_FOR_TEMPLATE)
    template = template_of(read_scan(ref) for ref in first[::step][:SUBJECTS_FOR_TEMPLATE])
    shown = tqdm(total=len(refs), desc="reference")

    def member(ref: ScanRef) -> _Member | str:
        shown.update()
        return _member(ref, template)

    found = side_by_side(member, refs)
    shown.close()
    members = [one for one in found if isinstance(one, _Member)]
    samples = [one.sample for one in members]
    cropped = all(np.allclose(np.diag(s.to_template)[:3], 1, atol=1e-6) for s in samples)
    bodies = [one.body for one in members]
    modality = template.options.intensity
    ground = reference_statistics.intensity_statistics(
        samples, bodies, cropped=cropped, modality=modality
    )
    ground = reference_statistics.with_gaussian(ground, samples)
    return Reference(
        template,
        tuple(samples),
        ground,
        reference_statistics.statistics_from_arrays(
            reference_statistics.arrays_of(ground), reference_statistics.facts_of(ground)
        ),
        similarity_facts([one.light for one in members]),
        tuple(one for one in found if isinstance(one, str)),
    )


def target_of(scan: Scan, template: Template) -> ScanTarget:
    """A scan as the detectors get it.

    Raises:
        NotJudged: it cannot be prepared.
    """
    own = canonical(scan, template.options)
    return ScanTarget(scan.ref, scan, align(own, template), own)


def _member(ref: ScanRef, template: Template) -> _Member | str:
    try:
        target = target_of(read_scan(ref), template)
    except (ReadError, NotJudged) as problem:
        return f"{ref.target}: {problem}"
    (sample,), (body,), _ = reference_samples([target])
    light = ScanTarget(ref, None, _without_voxels(target))
    return _Member(sample, body, light)


def _without_voxels(target: ScanTarget) -> Prepared | None:
    """Only what `likeness_facts` asks for; volumes would add up."""
    if target.prepared is None:
        return None
    few = target.prepared
    return Prepared(
        few.voxels[:1, :1, :1].copy(),
        few.body[:1, :1, :1].copy(),
        few.affine,
        few.to_scan,
        few.similarity,
    )
