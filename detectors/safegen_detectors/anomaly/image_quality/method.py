"""Fit and read the vector of measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from safegen_detectors.anomaly.image_quality import model
from safegen_detectors.anomaly.image_quality.vector import measures_of
from safegen_detectors.anomaly.model import Ground, Learned, Reading, Sample
from safegen_detectors.anomaly.view import View, left_out
from safegen_detectors.threads import side_by_side

ARRAYS = ("median", "spread", "mean", "precision")


@dataclass(frozen=True, slots=True)
class ImageQuality:
    """Mahalanobis distance of global measures: noise, sharpness, slices, histogram, extent."""

    name: str = "image-quality"

    def fit(
        self,
        samples: Sequence[Sample],
        ground: Ground,
        *,
        seed: int,  # noqa: ARG002  nothing here is random
        device: str,
    ) -> Learned:
        """The Gaussian of the measures of real scans."""
        found = side_by_side(
            lambda sample: measures_of(left_out(View(sample, ground, device))), samples
        )
        vectors = np.array([list(measures.values()) for measures in found])
        learned = model.learn(vectors)
        patients = np.array([sample.patient for sample in samples])
        held_out = [
            _statistics(model.learn(vectors[patients != patient]), vector)
            for patient, vector in zip(patients, vectors, strict=True)
        ]
        arrays = {name: getattr(learned, name) for name in ARRAYS}
        return Learned(arrays, {"measures": list(found[0])}, held_out)

    def read(self, view: View, learned: Learned) -> Reading:
        """One statistic; there is no map."""
        measures = measures_of(view)
        vector = np.array(list(measures.values()))
        return Reading(_statistics(model_of(learned), vector), details=measures)


def model_of(learned: Learned) -> model.QualityModel:
    """The model of what was learned."""
    return model.QualityModel(*(learned.arrays[name] for name in ARRAYS))


def most_unusual(
    measures: Mapping[str, float], learned: Learned, *, most: int = 3
) -> list[tuple[str, float]]:
    """The most unusual of a scan's measures: name, and robust deviations from real scans."""
    away = model_of(learned).standardized(np.array(list(measures.values())))
    names = list(measures)
    return [(names[n], float(away[n])) for n in np.argsort(-np.abs(away))[:most]]


def _statistics(known: model.QualityModel, vector: model.Vector) -> dict[str, float]:
    return {"distance": known.distance(vector)}
