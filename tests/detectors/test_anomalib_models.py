"""PaDiM and PatchCore of anomalib see a hole, and where it is, and learn the same each time.

Skipped where anomalib is not installed, which takes long to import.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from anomaly_samples import cohort, peak_of, read, with_hole

from benchmarks.baselines import anomalib_models, padim, patchcore
from safegen_detectors.anomaly.methods.base import Learned, Method
from safegen_detectors.anomaly.reference.normalized import NormalizedSample

pytestmark = pytest.mark.slow

pytest.importorskip("anomalib.models", reason="`pip install anomalib` runs these tests")

KNOWN, UNSEEN = 6, 6


@pytest.fixture(scope="module", autouse=True)
def few() -> Iterator[None]:
    """A smaller memory finds as much in phantoms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anomalib_models, "DRAWN", 1000)
        patch.setattr(anomalib_models, "KEPT", 100)
        yield


@pytest.fixture(scope="module", params=[padim(), patchcore()], ids=lambda method: method.name)
def method(request: pytest.FixtureRequest) -> Method:
    found: Method = request.param
    return found


@pytest.fixture(scope="module")
def learned(method: Method) -> Learned:
    samples, ground = cohort(KNOWN + 1)
    return method.fit(samples[:KNOWN], ground, seed=0, device="cpu")


def test_a_hole_scores_higher_than_the_same_scan_without(method: Method, learned: Learned) -> None:
    samples, ground = cohort(KNOWN + 1)
    faulty, _ = with_hole(samples[UNSEEN])

    clean = read(method, NormalizedSample(samples[UNSEEN], ground), learned).statistics
    found = read(method, NormalizedSample(faulty, ground), learned).statistics

    assert found["peak"] > max([clean["peak"], *(one["peak"] for one in learned.held_out)])


def test_the_map_is_highest_at_the_hole(method: Method, learned: Learned) -> None:
    samples, ground = cohort(KNOWN + 1)
    faulty, hole = with_hole(samples[UNSEEN])

    found = read(method, NormalizedSample(faulty, ground), learned).map

    assert found is not None
    assert found.shape == faulty.own.shape
    assert hole[peak_of(found)]


def test_the_same_seed_learns_the_same(method: Method, learned: Learned) -> None:
    samples, ground = cohort(KNOWN + 1)
    np.random.seed(1)
    torch.manual_seed(1)

    again = method.fit(samples[:KNOWN], ground, seed=0, device="cpu")

    assert again.held_out == learned.held_out
    assert all(np.array_equal(again.arrays[name], one) for name, one in learned.arrays.items())
