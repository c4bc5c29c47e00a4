"""`safegen inject`: a data set of real scans with planted faults, and where the faults are.

    OUT/scans/sub-X-KIND-STRENGTH/sub-X-KIND-STRENGTH_T1w.nii.gz
    OUT/masks/sub-X-KIND-STRENGTH/sub-X-KIND-STRENGTH_T1w_label-fault_mask.nii.gz
    OUT/faults.tsv  OUT/dataset.json  OUT/safegen.tsv

The masks lie in a tree of their own and `safegen.tsv` lists scans without them, for the gate takes
a mask beside a scan for annotated pathology, which it does not judge.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_safegen.core.errors import ReadError, UsageProblem
from pytest_safegen.core.scan import Release, Scan, ScanRef
from pytest_safegen.faults import FAMILIES, Canvas, Family, Planted, canvas_of, plant
from pytest_safegen.faults.inject_files import (
    InjectedScan,
    write_images,
    write_slices,
    write_tables,
)
from pytest_safegen.prepare.guess import guess_options
from pytest_safegen.prepare.resample import resample
from pytest_safegen.readers import read_scan

if TYPE_CHECKING:
    from pytest_safegen.core.scan import BoolArray, FloatArray

Intensity = Literal["mr", "ct", "auto"]
Progress = Callable[[Sequence[ScanRef], str], Iterable[ScanRef]]

GROUPS = ("all", "local", "global")


@dataclass(frozen=True, slots=True)
class InjectionPlan:
    """What to plant: kinds by name or "all", "local", "global", each at each strength.

    `per_scan` is how many of the kinds are drawn for each scan; None is all of them.
    """

    kinds: tuple[str, ...] = ("all",)
    strengths: tuple[float, ...] = (0.6,)
    per_scan: int | None = None
    seed: int = 0
    intensity: Intensity = "auto"
    slices: bool = False


@dataclass(frozen=True, slots=True)
class InjectionResult:
    """What was written, one row per scan, and a sentence for each scan or fault that was not."""

    rows: tuple[InjectedScan, ...]
    problems: tuple[str, ...]


def inject(
    release: Release, output: Path, plan: InjectionPlan, *, progress: Progress
) -> InjectionResult:
    """Plant faults in every scan of a release and write the data set, reproducibly to the byte.

    Raises UsageProblem for an invalid plan, an output folder that is not empty, and where nothing
    at all could be planted.
    """
    _check(release, output, plan)
    names = _names(release.refs)
    rows: list[InjectedScan] = []
    problems: list[str] = []
    for ref in progress(release.refs, "injecting"):
        try:
            scan = read_scan(ref)
            canvas = canvas_of(scan, _donor(scan, release.refs, plan.seed))
        except (ReadError, ValueError) as problem:
            problems.append(_about(ref, problem))
            continue
        for family in _drawn(scan, plan):
            try:
                rows += _inject(scan, canvas, family, names[ref.target], output, plan)
            except ValueError as problem:
                problems.append(_about(ref, problem, family.name))
    if not rows:
        raise UsageProblem("Nothing was injected: " + " ".join(problems or ["no kind fits."]))
    write_tables(output, rows, _arguments(release, plan))
    return InjectionResult(tuple(rows), tuple(problems))


def _check(release: Release, output: Path, plan: InjectionPlan) -> None:
    unknown = [kind for kind in plan.kinds if kind not in FAMILIES and kind not in GROUPS]
    if unknown or not plan.kinds:
        raise UsageProblem(
            f"Unknown kind of fault: {', '.join(unknown) or 'none given'}. "
            f"Kinds are {', '.join(GROUPS)}, and {', '.join(FAMILIES)}."
        )
    if not plan.strengths or not all(0 < strength <= 1 for strength in plan.strengths):
        raise UsageProblem(
            "Invalid strength: expected numbers above 0 and up to 1, such as 0.2,0.6,1.0."
        )
    if plan.per_scan is not None and plan.per_scan < 1:
        raise UsageProblem(f"Invalid number of kinds per scan {plan.per_scan}: expected 1 or more.")
    if not release.refs:
        raise UsageProblem(f"There is no scan in {release.root} to plant faults in.")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageProblem(f"{output} is not empty. Name a new folder, or empty it.")


def _names(refs: Sequence[ScanRef]) -> dict[str, tuple[str, str]]:
    """The new subject, up to its kind, and the end of the file name, by target.

    Scans that would get the same name get a number made from their target.
    """
    plain = {ref.target: (_subject(ref), _label(ref.modality or "scan")) for ref in refs}
    counts = Counter(plain.values())
    return {
        target: (f"{subject}-{_crc(target):08x}" if counts[subject, end] > 1 else subject, end)
        for target, (subject, end) in plain.items()
    }


def _subject(ref: ScanRef) -> str:
    parts = [ref.subject.removeprefix("sub-"), (ref.session or "").removeprefix("ses-")]
    return "sub-" + "-".join(_label(part) for part in parts if part)


def _label(text: str) -> str:
    """A text as part of a file name: letters, digits, points and dashes."""
    return "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in text)


def _drawn(scan: Scan, plan: InjectionPlan) -> list[Family]:
    """The families for a scan: of a group those that suit its modality, by name in any case."""
    guess = guess_options(scan).intensity
    modality = guess if plan.intensity == "auto" else plan.intensity
    found = [
        family
        for family in FAMILIES.values()
        if family.name in plan.kinds
        or (modality in family.modalities and _in_groups(family, plan.kinds))
    ]
    if plan.per_scan is None or plan.per_scan >= len(found):
        return found
    random = np.random.default_rng([plan.seed, _crc(scan.ref.target)])
    chosen = random.choice(len(found), plan.per_scan, replace=False)
    return [found[n] for n in sorted(chosen)]


def _in_groups(family: Family, kinds: Sequence[str]) -> bool:
    return "all" in kinds or ("local" if family.local else "global") in kinds


def _donor(scan: Scan, refs: Sequence[ScanRef], seed: int) -> Scan | None:
    """A scan of another patient, on the grid of this one; None if there is none to be read."""
    own = scan.ref
    others = sorted(
        (ref for ref in refs if ref.subject != own.subject and ref.modality == own.modality),
        key=lambda ref: ref.target,
    )
    if not others:
        return None
    chosen = int(np.random.default_rng([seed, _crc(own.target), 1]).integers(len(others)))
    try:
        donor = read_scan(others[chosen])
    except ReadError:
        return None
    if not np.isfinite(donor.voxels).all():
        return None
    voxels = resample(
        donor.voxels,
        donor.affine,
        to_affine=scan.affine,
        to_shape=scan.voxels.shape,
        fill=float(donor.voxels.min()),
    )
    return replace(donor, voxels=voxels, affine=scan.affine) if np.ptp(voxels) > 0 else None


def _inject(
    scan: Scan,
    canvas: Canvas,
    family: Family,
    name: tuple[str, str],
    output: Path,
    plan: InjectionPlan,
) -> Iterator[InjectedScan]:
    """Plant and write one family at each strength, in the same place as far as it shows there."""
    for strength in plan.strengths:
        seed = [plan.seed, _crc(scan.ref.target), _crc(family.name)]
        planted = plant(family.name, canvas, strength=strength, random=np.random.default_rng(seed))
        stored = _as_stored(scan, planted.voxels)
        subject = f"{name[0]}-{family.name}-{strength:g}"
        row = _row(scan, canvas, family, Planted(stored, planted.mask), subject, name[1])
        row = replace(row, strength=strength, seed="-".join(map(str, seed)))
        write_images(output, row, scan, Planted(stored, planted.mask))
        if plan.slices:
            write_slices(output, row, canvas, Planted(stored, planted.mask))
        yield row


def _as_stored(scan: Scan, voxels: FloatArray) -> FloatArray:
    """Voxels as the file of the scan would hold them.

    Whole numbers stay whole and within the limits of their type, and a scan without negative
    values gets none.
    """
    found = np.maximum(voxels, 0) if scan.voxels.min() >= 0 else voxels
    kind = np.dtype(scan.stored_type or "float32")
    if kind.kind in "iu" and (scan.voxels == np.round(scan.voxels)).all():
        limits = np.iinfo(kind)
        found = np.clip(np.round(found), limits.min, limits.max)
    return np.asarray(found, dtype=np.float32)


def _row(
    scan: Scan, canvas: Canvas, family: Family, planted: Planted, subject: str, end: str
) -> InjectedScan:
    change = np.abs(planted.voxels - scan.voxels) / canvas.contrast
    where: BoolArray = canvas.body if planted.mask is None else planted.mask
    changed = (change > 0) if planted.mask is None else planted.mask
    return InjectedScan(
        subject=subject,
        end=end,
        source=scan.ref,
        kind=family.name,
        group=family.group,
        has_mask=planted.mask is not None,
        changed_voxels=int(np.count_nonzero(changed)),
        mean_change=float(change[where].mean()) if where.any() else 0.0,
    )


def _arguments(release: Release, plan: InjectionPlan) -> dict[str, object]:
    return {
        "source": release.root.name,
        "kinds": list(plan.kinds),
        "strengths": list(plan.strengths),
        "per_scan": plan.per_scan,
        "seed": plan.seed,
        "intensity": plan.intensity,
        "slices": plan.slices,
    }


def _about(ref: ScanRef, problem: Exception, kind: str = "") -> str:
    text = str(problem)
    named = text if ref.target in text else f"{ref.target}: {text}"
    return f"{named} ({kind})" if kind else named


def _crc(text: str) -> int:
    return zlib.crc32(text.encode())
