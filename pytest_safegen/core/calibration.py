"""The limits that a run applied, and the scores of real scans that they were calibrated on."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, TypeVar

from msgspec import Meta, Struct

if TYPE_CHECKING:
    from pytest_safegen.core.finding import Run


class Calibration(Struct, frozen=True, forbid_unknown_fields=True):
    """How the score of one check was calibrated on real scans of one modality."""

    scores: Annotated[
        tuple[float, ...], Meta(description="of real scans that the check had not seen")
    ]
    source: Annotated[str, Meta(description="where the limit is from")] = ""
    limit: float | None = None
    warn_limit: float | None = None


class MeasureLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of one measure; null where there is none on that side."""

    fail_above: float | None = None
    warn_above: float | None = None
    fail_below: float | None = None
    warn_below: float | None = None
    source: Annotated[str, Meta(description="where the limits are from")] = ""


T = TypeVar("T")


def calibration_of(run: Run, check: str, modality: str = "") -> Calibration | None:
    """The calibration by which a check judged scans of a modality; None where it used fixed limits.

    `modality` is `Finding.modality`. Real scans of a single modality stand under "" and serve all.
    """
    return _of_modality(run.calibrations.get(check, {}), modality)


def limits_of(run: Run, check: str, measure: str, modality: str = "") -> MeasureLimits | None:
    """The limits of a measure (or of "score") of a check; None where it has none.

    A limit may be set for a pattern of names, such as `volume@*`; one for the name itself goes
    first.
    """
    known = _of_modality(run.limits.get(check, {}), modality) or {}
    if measure in known:
        return known[measure]
    return next((limit for name, limit in known.items() if fnmatchcase(measure, name)), None)


def _of_modality(known: Mapping[str, T], modality: str) -> T | None:
    if modality in known:
        return known[modality]
    return known[""] if set(known) == {""} else None
