"""Real scans, prepared once on disk and read anew at each iteration; splits by patient."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pytest_safegen.core.errors import NotJudged, ReadError
from pytest_safegen.core.scan import Fact, Prepared, ScanRef
from pytest_safegen.core.targets import ScanTarget
from pytest_safegen.data.table import facts_of
from pytest_safegen.prepare.canonical import canonical
from pytest_safegen.prepare.template import Template, align
from pytest_safegen.readers import read_scan


@dataclass(frozen=True, slots=True)
class Member:
    """One real scan of a cohort; `file` holds it prepared."""

    ref: ScanRef
    facts: Mapping[str, Fact]
    file: Path

    def target(self, *, template: Template, scan: bool) -> ScanTarget:
        """The member as a detector gets it, with its native voxels if `scan`."""
        with np.load(self.file, allow_pickle=False) as stored:
            prepared = Prepared(
                stored["voxels"].astype(np.float32),
                stored["body"],
                template.affine,
                stored["to_scan"],
                float(stored["similarity"]),
                intensity=template.options.intensity,
            )
            own = Prepared(
                stored["own_voxels"].astype(np.float32),
                stored["own_body"],
                stored["own_affine"],
                np.eye(4),
                pathology=stored.get("own_pathology"),
                intensity=template.options.intensity,
            )
        read_anew = read_scan(self.ref) if scan else None
        return ScanTarget(self.ref, read_anew, prepared, own, self.facts)


@dataclass(frozen=True, slots=True)
class Cohort:
    """Some real scans, read and prepared anew from disk each time they are iterated."""

    members: tuple[Member, ...]
    template: Template

    def __iter__(self) -> Iterator[ScanTarget]:
        return (member.target(template=self.template, scan=False) for member in self.members)

    def subjects(self) -> list[str]:
        """The patients, sorted."""
        return sorted({member.ref.subject for member in self.members})

    def only(self, subjects: Iterable[str]) -> Cohort:
        """The scans of some patients."""
        wanted = set(subjects)
        kept = tuple(member for member in self.members if member.ref.subject in wanted)
        return Cohort(kept, self.template)


def prepared_member(ref: ScanRef, template: Template, folder: Path) -> Member | str:
    """The scan prepared and stored, or a sentence on why it is left out."""
    try:
        scan = read_scan(ref)
        own = canonical(scan, template.options)
        aligned = align(own, template)
    except ReadError as problem:
        return str(problem)
    except NotJudged as problem:
        return f"{ref.target}: {problem}."
    name = hashlib.blake2b(os.fsencode(ref.path), digest_size=16).hexdigest()
    file = folder / f"{name}.npz"
    arrays: dict[str, Any] = {
        "voxels": aligned.voxels.astype(np.float16),
        "body": aligned.body,
        "to_scan": aligned.to_scan,
        "similarity": aligned.similarity or 0.0,
        "own_voxels": own.voxels.astype(np.float16),
        "own_body": own.body,
        "own_affine": own.affine,
    }
    if own.pathology is not None:
        arrays["own_pathology"] = own.pathology
    np.savez(file, **arrays)
    return Member(ref, facts_of(scan), file)


def hold_out(subjects: Iterable[str], *, share: float, seed: int) -> frozenset[str]:
    """A random part of the subjects, at least one, the same for the same seed."""
    names = sorted(set(subjects))
    count = max(1, round(share * len(names)))
    return frozenset(random.Random(seed).sample(names, count))  # noqa: S311  no secret in it


def folds(subjects: Iterable[str], *, count: int, seed: int) -> list[frozenset[str]]:
    """The subjects in `count` random parts of nearly equal size, the same for the same seed."""
    names = sorted(set(subjects))
    random.Random(seed).shuffle(names)  # noqa: S311  no secret in it
    return [frozenset(names[start::count]) for start in range(count)]
