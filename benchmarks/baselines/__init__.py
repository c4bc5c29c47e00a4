"""Published ways to find anomalies, re-made small from their papers, for a fair comparison.

Each is a `Method` of `safegen_detectors.anomaly.model` and gets what the gate's own methods get.
They are ideas in few lines, on a 4 mm grid and with minutes of training; the authors' full
systems had days on graphics cards, in two dimensions.
"""

from __future__ import annotations

from benchmarks.baselines.anomalib_models import padim, patchcore
from benchmarks.baselines.dae import dae
from benchmarks.baselines.dia import dia
from benchmarks.baselines.fpi import fpi
from benchmarks.baselines.histogram import Histogram
from benchmarks.baselines.phanes import phanes
from benchmarks.baselines.thor import thor
from benchmarks.baselines.zscore import ZScore

__all__ = ["Histogram", "ZScore", "dae", "dia", "fpi", "padim", "patchcore", "phanes", "thor"]
