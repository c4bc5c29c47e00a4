"""Scans of one patient, brought together and into the order of time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from pytest_safegen.errors import UsageProblem
from pytest_safegen.model import ScanRef, Series
from pytest_safegen.names import natural_key


def series_of(refs: Iterable[ScanRef]) -> tuple[Series, ...]:
    """One series a subject, in natural order; its scans by months, then session, then name.

    A series is called by the subject's folder if its scans lie in a folder of that name which holds
    nobody else's, otherwise by the subject. Raises UsageProblem if two would be called the same.
    """
    grouped: defaultdict[str, list[ScanRef]] = defaultdict(list)
    for ref in refs:
        grouped[ref.subject].append(ref)
    crowd = Counter(folder for group in grouped.values() for folder in _folders(group))
    found = [
        Series(_target(subject, group, crowd), subject, tuple(sorted(group, key=_in_time)))
        for subject, group in grouped.items()
    ]
    _refuse_same_target(found)
    return tuple(sorted(found, key=lambda series: natural_key(series.target)))


def _in_time(ref: ScanRef) -> tuple[object, ...]:
    months = (ref.months is None, ref.months or 0.0)
    return (*months, natural_key(ref.session or ""), natural_key(ref.target))


def _folders(refs: Sequence[ScanRef]) -> frozenset[str]:
    """Every folder that holds one of the scans, however deep; a DICOM folder holds itself."""
    return frozenset(folder for ref in refs for folder in _folders_above(ref))


def _folders_above(ref: ScanRef) -> list[str]:
    parts = ref.target.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _target(subject: str, refs: Sequence[ScanRef], crowd: Counter[str]) -> str:
    """The subject's folder, or else the subject."""
    shared = frozenset.intersection(*(frozenset(_folders_above(ref)) for ref in refs))
    own = [folder for folder in shared if crowd[folder] == 1]
    called = [folder for folder in own if f"/{folder}".endswith(f"/{subject}")]
    return max(called, key=len, default=subject)


def _refuse_same_target(found: Sequence[Series]) -> None:
    by_target: dict[str, Series] = {}
    for series in found:
        other = by_target.setdefault(series.target, series)
        if other is not series:
            raise UsageProblem(
                f"The subjects {other.subject!r} and {series.subject!r} would both be called "
                f"{series.target!r}. Rename one of them."
            )
