"""The scans that a disturbed copy is made of: the patient copied, a stranger, both aligned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.copies import pair_of
from benchmarks.scans import Mask, Volume
from pytest_safegen import Scan
from pytest_safegen.api import PrepareOptions

Restore = Callable[[Scan, int], Scan]
"""A round trip through an autoencoder: (scan, strength 0..2) -> scan."""


@dataclass(frozen=True, slots=True)
class CopySources:
    """`source` is the training patient who is copied; `second` another training patient, on the
    grid of the source; `host` a patient who is not in the training set; `aligned` the source on
    the grid and in the range of the host."""

    source: Scan
    second: Volume
    host: Scan
    aligned: Volume
    second_subject: str
    restore: Restore | None = None


@dataclass(frozen=True, slots=True)
class Planted:
    """A planted copy; `where` (i, j, k) is its copied part, None for all of it."""

    scan: Scan
    where: Mask | None = None


Disturbance = Callable[[CopySources, np.random.Generator, int], Planted]
"""(sources, random, strength 0..2) -> the copy."""


def copy_sources_of(
    source: Scan, second: Scan, host: Scan, options: PrepareOptions, restore: Restore | None = None
) -> CopySources:
    """Lay the source over the host, and the second training patient over the source."""
    return CopySources(
        source,
        pair_of(second, source, options).aligned,
        host,
        pair_of(source, host, options).aligned,
        second.ref.subject,
        restore,
    )
