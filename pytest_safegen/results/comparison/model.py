"""The nouns of a comparison: A is the baseline, B the run that is judged."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

SCORE = "score"


class Outcome(StrEnum):
    """What a comparison says."""

    PASSED = "passed"
    REGRESSED = "regressed"
    INCOMPARABLE = "incomparable"


class Kind(StrEnum):
    """What a rule looks at."""

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
class Share:
    """`failed` of `n` scans, with the exact 95 % interval of Clopper and Pearson 1934."""

    failed: int
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class NewFailure:
    """A scan whose verdict turned from passing to failing."""

    check: str
    target: str
    before: str
    after: str
    reason: str
    beyond: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of one check in both runs; with pairs, place k is the same scan in both."""

    check: str
    name: str
    a: Numbers
    b: Numbers
    paired: bool
    worse: str = "either"


@dataclass(frozen=True, slots=True)
class Shift:
    """How the distribution of one number moved from A to B.

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
    worse: str

    @property
    def worsening(self) -> float:
        """Delta towards the worse; its size where no direction is known to be worse."""
        return {"higher": self.delta, "lower": -self.delta}.get(self.worse, abs(self.delta))


@dataclass(frozen=True, slots=True)
class CheckFailures:
    """The failed scans of one check; `newly` of them passed in A, `mended` failed there.

    `p_worse` and `p_better` are adjusted after Holm; `p_any` is that of one scan beyond what the
    baseline explains.
    """

    check: str
    a: Share
    b: Share
    newly: int
    mended: int
    beyond: int
    p_worse: float
    p_better: float
    p_any: float


@dataclass(frozen=True, slots=True)
class Power:
    """What a comparison of this size could have seen, per check, with a chance of 80 %."""

    check: str
    scans: int
    share: float
    shift: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that one run says against another."""

    outcome: Outcome
    reasons: tuple[str, ...]
    paired: bool
    shared: int
    failures: tuple[CheckFailures, ...] = ()
    shifts: tuple[Shift, ...] = ()
    turned: tuple[NewFailure, ...] = ()
    regressions: tuple[str, ...] = ()
    improvements: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    power: tuple[Power, ...] = ()
