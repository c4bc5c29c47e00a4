"""The limits that a run applied, and the scores of real scans that they were calibrated on."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


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
