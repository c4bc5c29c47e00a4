"""From scores of real scans to p-values and limits with a stated guarantee."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]

TAIL_SHARE = 0.25

FEWEST_ABOVE = 2

FEWEST_IN_TAIL = 4


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit on a score, and in words where it is from."""

    value: float
    source: str


def p_value(score: float, calibration: Scores) -> float:
    """The conformal p-value (1 + #{calibration >= score}) / (n + 1), Vovk et al. 2005.

    >>> p_value(3.0, np.array([1.0, 2.0, 4.0]))
    0.5
    """
    return float((1 + np.count_nonzero(calibration >= score)) / (calibration.size + 1))


def limit_at(calibration: Scores, rate: float, *, independent: bool = False) -> Limit:
    """The limit above which a real scan lies with a chance of at most `rate`.

    Exact (conformal) where rate * (n + 1) >= 2, so that at least the second largest score is the
    limit and no single odd scan decides. Otherwise the upper tail is extrapolated as an
    exponential (peaks over threshold, Pickands 1975, with the shape held at 0), as a prediction
    limit: the excess of a new scan over the mean excess of the largest quarter follows an F
    distribution, since that mean is of a few scans itself (Lawless 1971). The source says so.

    `independent`: every score is of a patient that nothing was learned from. Only then does the
    source state a confidence bound on the rate (a beta distribution, Vovk 2012); scores from
    cross-validation depend on each other and come from other models than the one that judges.

    Raises:
        ValueError: no calibration scores.
    """
    n = calibration.size
    if n == 0:
        raise ValueError("there are no calibration scores")
    largest = np.sort(calibration)[::-1]
    allowed = floor(rate * (n + 1) + 1e-9)
    if allowed >= FEWEST_ABOVE:
        source = _exact_source(n, rate) + (_bound(n, allowed) if independent else "")
        return Limit(float(largest[allowed - 1]), source)
    return Limit(_extrapolated(largest, rate), _extrapolated_source(n, rate))


def _extrapolated(largest: Scores, rate: float) -> float:
    n = largest.size
    tail = min(n - 1, max(FEWEST_IN_TAIL, round(TAIL_SHARE * n)))
    if tail < 1:
        return float(largest[0])
    excess = float(np.mean(largest[:tail] - largest[tail]))
    share = min(n * rate / tail, 1.0)  # of the tail that may lie beyond the limit
    # The quantile 1 - share of F(2, 2 tail), which has a closed form.
    return float(largest[tail]) + excess * tail * (float(share ** (-1 / tail)) - 1)


def _exact_source(n: int, rate: float) -> str:
    return f"calibrated on {n} real scans for {rate:.1%} false alarms"


def _bound(n: int, allowed: int) -> str:
    from scipy.stats import beta  # half a second to import, and only needed here

    bound = float(beta.ppf(0.95, allowed, n + 1 - allowed))
    return f", at most {bound:.1%} with 95 % confidence"


def _extrapolated_source(n: int, rate: float) -> str:
    guarantee = 1 / (n + 1)
    why = (
        f"that many scans alone can only guarantee {guarantee:.1%}"
        if guarantee > rate
        else "with so few, one odd scan would decide the exact limit"
    )
    return f"extrapolated from {n} real scans for {rate:.1%} false alarms; {why}"
