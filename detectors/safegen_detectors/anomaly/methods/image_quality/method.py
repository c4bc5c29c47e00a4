"""Fit and read the method: the Mahalanobis distance of a scan's global quality measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safegen_detectors.anomaly.methods.base import Learned, Reading
from safegen_detectors.anomaly.methods.image_quality.measures import quality_measures
from safegen_detectors.anomaly.reference.normalized import NormalizedSample, leave_patient_out
from safegen_detectors.anomaly.reference.types import ReferenceStatistics, Sample
from safegen_detectors.threads import side_by_side

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

LEAST_SPREAD = 0.3  # of the standard deviation, for measures that hardly vary in most scans
SMALLEST_SPREAD = 1e-3  # of a grey value of 0..1 or of a logarithm: nobody would see it
CLIPPED = 6.0  # robust deviations, so that one odd scan does not widen the Gaussian
FAR = 20.0  # robust deviations from which on only the logarithm counts


@dataclass(frozen=True, slots=True)
class QualityModel:
    """Median and robust deviation of each measure (m,), and the Gaussian of what they standardize.

    `precision` (m, m) is the inverse of the covariance shrunken as Ledoit and Wolf (2004) do.
    """

    median: Vector
    spread: Vector
    mean: Vector
    precision: Matrix

    def standardized(self, vector: Vector) -> Vector:
        """Robust deviations of each measure from its median, (m,)."""
        z = (vector - self.median) / self.spread
        beyond = np.log1p(np.clip(np.abs(z) - FAR, 0, None))
        return np.asarray(np.sign(z) * (np.minimum(np.abs(z), FAR) + beyond))

    def distance(self, vector: Vector) -> float:
        """Mahalanobis distance over the square root of the number of measures."""
        gap = self.standardized(vector) - self.mean
        return float(np.sqrt(max(float(gap @ self.precision @ gap), 0.0) / gap.size))


def fit_quality_model(vectors: NDArray[np.float64]) -> QualityModel:
    """The model of vectors (n, m) of real scans."""
    median = np.median(vectors, axis=0)
    robust = 1.4826 * np.median(np.abs(vectors - median), axis=0)
    spread = np.maximum(robust, LEAST_SPREAD * vectors.std(axis=0)).clip(SMALLEST_SPREAD)
    z = np.clip((vectors - median) / spread, -CLIPPED, CLIPPED)
    covariance = shrunken_covariance(z)
    precision = np.asarray(np.linalg.inv(covariance + 1e-3 * np.eye(len(covariance))), np.float64)
    return QualityModel(median, spread, z.mean(axis=0), precision)


def shrunken_covariance(x: NDArray[np.float64]) -> Matrix:
    """The covariance of x (n, m), shrunken to a multiple of the identity.

    Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices (2004).
    """
    n, m = x.shape
    centred = x - x.mean(axis=0)
    sample = centred.T @ centred / n
    level = np.trace(sample) / m
    dispersion = float(((sample - level * np.eye(m)) ** 2).sum()) / m
    squares = centred**2
    noise = float((squares.T @ squares / n - sample**2).sum()) / (n * m)
    share = 1.0 if dispersion == 0 else min(max(noise / dispersion, 0.0), 1.0)
    return np.asarray((1 - share) * sample + share * level * np.eye(m))


ARRAYS = ("median", "spread", "mean", "precision")


@dataclass(frozen=True, slots=True)
class ImageQuality:
    """Mahalanobis distance of global measures: noise, sharpness, slices, histogram, extent."""

    name: str = "image-quality"

    def fit(
        self,
        samples: Sequence[Sample],
        reference: ReferenceStatistics,
        *,
        seed: int,  # noqa: ARG002  nothing here is random
        device: str,
    ) -> Learned:
        """The Gaussian of the measures of real scans."""
        found = side_by_side(
            lambda sample: quality_measures(
                leave_patient_out(NormalizedSample(sample, reference, device))
            ),
            samples,
        )
        vectors = np.array([list(measures.values()) for measures in found])
        learned = fit_quality_model(vectors)
        patients = np.array([sample.patient for sample in samples])
        held_out = [
            _statistics(fit_quality_model(vectors[patients != patient]), vector)
            for patient, vector in zip(patients, vectors, strict=True)
        ]
        arrays = {name: getattr(learned, name) for name in ARRAYS}
        return Learned(arrays, {"measures": list(found[0])}, held_out)

    def open(
        self,
        learned: Learned,
        reference: ReferenceStatistics,  # noqa: ARG002  each sample brings its own
        *,
        device: str,  # noqa: ARG002  measures are computed on the processor
    ) -> ImageQualityReader:
        """The reader, with the Gaussian of real scans."""
        return ImageQualityReader(QualityModel(*(learned.arrays[name] for name in ARRAYS)))


@dataclass(frozen=True, slots=True)
class ImageQualityReader:
    """Compares the measures of scans with those of real scans."""

    model: QualityModel

    def read(self, normalized: NormalizedSample) -> Reading:
        """One statistic and no map; the details are each measure's robust deviations."""
        measures = quality_measures(normalized)
        vector = np.array(list(measures.values()))
        deviations = self.model.standardized(vector).tolist()
        return Reading(
            _statistics(self.model, vector), details=dict(zip(measures, deviations, strict=True))
        )


def _statistics(model: QualityModel, vector: Vector) -> dict[str, float]:
    return {"distance": model.distance(vector)}
