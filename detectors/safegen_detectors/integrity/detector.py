"""The integrity check: every file is a complete, plausible scan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_safegen.api import (
    Fitted,
    Measure,
    Profile,
    Rule,
    ScanTarget,
    Scope,
    Score,
    ScoreEach,
    Scorer,
    shortened,
)
from safegen_detectors.integrity.content import (
    CLIPPED_SHARE,
    fault_heatmap,
    inspect_content,
    measure_content,
)
from safegen_detectors.integrity.geometry import measure_grid
from safegen_detectors.integrity.reference import compare_with_reference, learn_ranges, ranges_for

_NONE_ALLOWED = Rule(fail_above=0.0)
_REFERENCE = Rule(fail_above=1.0, source="range of the reference scans, widened")

RULES: Mapping[str, Rule] = {
    "unreadable": _NONE_ALLOWED,
    "nonfinite_share": _NONE_ALLOWED,
    "distinct_values": Rule(fail_below=16.0),
    "flat_share": Rule(fail_above=0.7),
    "body_share": Rule(fail_below=0.002),
    "clipped_share": Rule(warn_above=CLIPPED_SHARE, fail_above=0.05),
    "blank_slices": _NONE_ALLOWED,
    "fewest_voxels": Rule(fail_below=8.0),
    "smallest_voxel_size": Rule(fail_below=0.05),
    "largest_voxel_size": Rule(fail_above=20.0),
    "anisotropy": Rule(warn_above=20.0, fail_above=50.0),
    "skew": Rule(warn_above=1.0, fail_above=35.0),
    "mask_problem": _NONE_ALLOWED,
    "spacing_against_reference": _REFERENCE,
    "extent_against_reference": _REFERENCE,
    "intensity_against_reference": _REFERENCE,
    "content_against_reference": Rule(warn_above=1.0, source=_REFERENCE.source),
    "tail_against_reference": Rule(warn_above=1.0, fail_above=2.0, source=_REFERENCE.source),
}


@dataclass(frozen=True)
class IntegrityDetector:
    """Measures whether a scan is readable, finite, not empty, not clipped, and on a plausible grid.

    With a profile, the grid and the intensities of CT are compared with the reference too.
    """

    name = "integrity"
    version = "1"
    scope = Scope.SCAN
    needs_profile = False
    judges_unreadable = True
    rules = RULES

    def fit(
        self,
        reference: Iterable[ScanTarget],
        *,
        seed: int,  # noqa: ARG002 - nothing here is random
    ) -> Fitted:
        """The ranges of the reference's grids and intensities, from the table of scans."""
        rows = [target.facts for target in reference if not target.problem]
        return Fitted(facts={"usual": learn_ranges(rows)})

    def open(
        self,
        profile: Profile | None,
        *,
        device: str,  # noqa: ARG002 - counting voxels needs no accelerator
    ) -> Scorer:
        """A scorer that gives measures only, for scans readable or not."""
        return ScoreEach(lambda target: _score(target, profile))


def _score(target: ScanTarget, profile: Profile | None) -> Score:
    if target.scan is None:
        return Score(None, (_unreadable(target),))
    content = inspect_content(target.scan)
    measures = [
        Measure("unreadable", 0.0),
        *measure_content(content),
        *measure_grid(target.scan),
    ]
    if profile is not None:
        ranges = ranges_for(profile.facts["usual"], target.facts)
        measures += compare_with_reference(target.facts, ranges)
        if ranges.clips:
            measures = [measure for measure in measures if measure.name != "clipped_share"]
    return Score(None, tuple(measures), fault_heatmap(content))


def _unreadable(target: ScanTarget) -> Measure:
    headline = target.headline or shortened(target.problem)
    return Measure("unreadable", 1.0, "", target.problem.rstrip("."), headline)
