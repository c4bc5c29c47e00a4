"""The values of a comparison: A is the baseline, B the run that is judged."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


class Outcome(StrEnum):
    """The outcome of a comparison."""

    PASSED = "passed"
    REGRESSED = "regressed"
    INCOMPARABLE = "incomparable"


class Kind(StrEnum):
    """What a rule is about."""

    FAILED = "failed"
    ANY = "any"
    STRICTLY_ANY = "strictly any"
    DELTA = "delta"


@dataclass(frozen=True, slots=True)
class RegressionRule:
    """A rule: `check` is a name or "*"; `measure` a name, or the beginning of names, or "".

    `limit` is a share for FAILED, a Cliff's delta for DELTA.
    """

    text: str
    check: str
    measure: str
    kind: Kind
    limit: float = 0.0


@dataclass(frozen=True, slots=True)
class Proportion:
    """`failed` of `n` scans, with the exact 95 % interval of Clopper and Pearson 1934."""

    failed: int
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class NewFailure:
    """A scan that passed in A and fails in B.

    `unexplained` says that the baseline's own spread does not explain it.
    """

    check: str
    target: str
    before: str
    after: str
    reason: str
    unexplained: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of one check in both runs; with pairs, place k is the same scan in both."""

    check: str
    name: str
    a: Numbers
    b: Numbers
    paired: bool
    direction: str = "either"


@dataclass(frozen=True, slots=True)
class Shift:
    """How the distribution of one number shifted from A to B; `direction` is that of worse.

    `delta` is Cliff's, P(B > A) - P(B < A), with its bootstrap interval; `p` is of Wilcoxon's
    signed-rank test for pairs and Mann and Whitney's otherwise, `adjusted` after Holm (1979).
    """

    check: str
    name: str
    n: int
    median_a: float
    median_b: float
    delta: float
    low: float
    high: float
    p: float
    adjusted: float
    direction: str

    @property
    def worsening(self) -> float:
        """Delta towards the worse; its size where no direction is known to be worse."""
        return {"higher": self.delta, "lower": -self.delta}.get(self.direction, abs(self.delta))


@dataclass(frozen=True, slots=True)
class CheckFailures:
    """The failed scans of one check; `new` of them passed in A, `resolved` failed only there.

    `unexplained` are the new ones that the baseline's spread does not explain, and `p_any` is the
    p-value of one such scan. All p-values are adjusted after Holm.
    """

    check: str
    a: Proportion
    b: Proportion
    new: int
    resolved: int
    unexplained: int
    p_worse: float
    p_better: float
    p_any: float


@dataclass(frozen=True, slots=True)
class Power:
    """What a comparison of n scans can detect in one check.

    `rise` is the smallest observed rise of the failure rate that is significant by count, `shift`
    the shift of the score, in standard deviations of A, that is significant in 80 % of comparisons.
    """

    check: str
    n: int
    rise: float
    shift: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that a run shows against its baseline."""

    outcome: Outcome
    reasons: tuple[str, ...]
    paired: bool
    shared: int
    failures: tuple[CheckFailures, ...] = ()
    shifts: tuple[Shift, ...] = ()
    new_failures: tuple[NewFailure, ...] = ()
    regressions: tuple[str, ...] = ()
    improvements: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    power: tuple[Power, ...] = ()
