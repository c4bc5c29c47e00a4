"""A series that was scored is explained without comparing its scans again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pytest_safegen.core.scan import Series
from pytest_safegen.core.targets import ScanTarget, SeriesTarget
from pytest_safegen.testing import phantom
from safegen_detectors.longitudinal import LongitudinalDetector, registration
from safegen_detectors.longitudinal.heatmaps import HEATMAPS
from safegen_detectors.longitudinal.scorer import LongitudinalScorer

pytestmark = pytest.mark.slow


def series_of(subject: int, *, visits: int = 2) -> SeriesTarget:
    scans = [phantom(subject, session=number) for number in range(1, visits + 1)]
    series = Series(f"sub-{subject}", f"sub-{subject}", tuple(scan.ref for scan in scans))
    return SeriesTarget(series, tuple(ScanTarget(scan.ref, scan) for scan in scans))


def scorer() -> LongitudinalScorer:
    return LongitudinalDetector().open(None, device="cpu")


@pytest.fixture
def registrations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one entry with every registration of two scans."""
    calls: list[int] = []
    register: Callable[..., object] = registration.register

    def counted(*args: object, **options: object) -> object:
        calls.append(1)
        return register(*args, **options)

    monkeypatch.setattr(registration, "register", counted)
    return calls


@pytest.mark.parametrize(("visits", "pairs"), [(2, 1), (3, 3)])
def test_score_and_explain_register_each_pair_once(registrations, visits, pairs):
    target, opened = series_of(1, visits=visits), scorer()

    opened.explain(target, opened.score([target])[0])

    assert len(registrations) == pairs


def test_maps_are_the_same_to_the_last_bit_as_those_of_a_new_comparison():
    target, opened = series_of(1), scorer()
    score = opened.score([target])[0]

    reused, compared_again = opened.explain(target, score), scorer().explain(target, score)

    for one, other in zip(reused, compared_again, strict=True):
        assert (one.name, one.meaning, one.of) == (other.name, other.meaning, other.of)
        np.testing.assert_array_equal(one.values, other.values)


def test_an_earlier_series_is_explained_by_its_own_scans(registrations):
    first, second = series_of(1), series_of(2)
    opened = scorer()
    early, _ = opened.score([first, second])

    maps = opened.explain(first, early)

    assert {one.of for one in maps} == {first.scans[1].ref.target}
    assert len(registrations) == 3


def test_maps_lie_on_the_grid_of_the_later_scan():
    target, opened = series_of(1), scorer()

    maps = opened.explain(target, opened.score([target])[0])

    assert [one.name for one in maps] == list(HEATMAPS)
    assert {one.values.shape for one in maps} == {target.scans[1].scan.voxels.shape}
    assert all(np.isfinite(one.values).all() for one in maps)


def test_default_labels_stand_in_for_missing_ones():
    target = series_of(1)
    detector = LongitudinalDetector({"background": "shared"})

    score = detector.open(None, device="cpu").score([target])[0]

    assert "noise_correlation" not in {measure.name for measure in score.measures}
    assert "grain_correlation" not in {measure.name for measure in score.measures}


def test_a_scans_own_label_wins_over_the_default():
    first, later = (scan.scan for scan in series_of(1).scans)
    copy = replace(later, voxels=first.voxels, ref=replace(later.ref, labels={"background": "own"}))
    series = Series("sub-1", "sub-1", (first.ref, copy.ref))
    target = SeriesTarget(series, (ScanTarget(first.ref, first), ScanTarget(copy.ref, copy)))
    detector = LongitudinalDetector({"background": "shared"})

    score = detector.open(None, device="cpu").score([target])[0]

    assert {one.name: one.value for one in score.measures}["equal_share"] == 1.0
