"""The order of a patient's scans in time."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_VISIT_NUMBER = 3


def steps_back(months: Sequence[float | None]) -> list[int]:
    """The positions of scans that are not later than the scan before; unknown times are passed."""
    known = [(position, month) for position, month in enumerate(months) if month is not None]
    return [later for (_, a), (later, b) in pairwise(known) if b <= a]


def visit_numbers(sessions: Sequence[str | None]) -> list[int] | None:
    """The numbers of sessions such as 01, 02 or m06, m12.

    None where the names differ in more than a number of at most three digits: then they are dates
    or codes, which need not follow time.
    """
    parts = [re.fullmatch(r"(\D*)(\d+)(\D*)", session or "") for session in sessions]
    found = [part.groups() for part in parts if part]
    if len(found) < len(sessions) or len({(before, after) for before, _, after in found}) != 1:
        return None
    if max(len(number) for _, number, _ in found) > LONGEST_VISIT_NUMBER:
        return None
    return [int(number) for _, number, _ in found]
