"""The limits of the longitudinal check, each with its source."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_safegen.api import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCAL_MATCH_LIMIT = 0.70
SELF_SIMILARITY_LIMIT = 0.17
GRADIENT_MATCH_LIMIT = 0.70
CHANGED_REGION_LIMIT = 0.70  # local match, smoothed over 6 mm: what the heatmap outlines
SIMILAR_MATCH = 0.90  # same protocol, same patient: real pairs stay above
EQUAL_SHARE_LIMIT = 0.5
DEPTH_OUTSIDE_LIMIT = 7.0  # mm, two diagonals of a 2 mm voxel

REGION_DEVIATIONS = 8.0  # robust sd by which a region stands out of its pair's own map
OTHER_GRID_DEVIATIONS = 12.0  # the same where the voxel size changed

_REAL_PAIRS = (
    "brain MR: 9 real pairs of one patient reach 0.75 or more, 60 pairs of two patients 0.68 or "
    "less (open MS data, IXI)"
)
_BY_DEFINITION = "by definition"

_MASS_EFFECT = (
    "tissue cannot give way by more than the lesion gains; simulated: 0.3 to 0.5 is measured where "
    "it gives way by all of it, 1.7 to 1.8 by four times, 0 by nothing"
)
_NODULES = (
    "300 real nodules (LIDC) lie in the closed lung by 0.64 or more and leave it by 8.3 mm or "
    "less; 2 % of them warn"
)
_DEPTH = Rule(
    warn_above=4.0, fail_above=DEPTH_OUTSIDE_LIMIT, source="two diagonals of a 2 mm voxel"
)

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "time_reversals": Rule(fail_above=0, source=_BY_DEFINITION),
        "session_reversals": Rule(fail_above=0, source=_BY_DEFINITION),
        "pairs_not_compared": Rule(fail_above=0, source=_BY_DEFINITION),
        "masks_unread": Rule(warn_above=0, source=_BY_DEFINITION),
        "masks_empty": Rule(warn_above=0, source=_BY_DEFINITION),
        "spacing_change": Rule(warn_above=0.01),
        "orientation_change": Rule(warn_above=0),
        "grid_changed_despite_same_grid": Rule(fail_above=0, source=_BY_DEFINITION),
        "registration_shift": Rule(
            warn_above=2.0, fail_above=5.0, source="our own registration is off by 0.3 to 1.7 mm"
        ),
        "registration_turn": Rule(warn_above=2.0, fail_above=5.0),
        "coverage": Rule(warn_below=0.90),
        "local_match": Rule(warn_below=SIMILAR_MATCH, source=_REAL_PAIRS),
        "self_similarity_distance": Rule(warn_above=SELF_SIMILARITY_LIMIT, source=_REAL_PAIRS),
        "gradient_match": Rule(warn_below=GRADIENT_MATCH_LIMIT, source=_REAL_PAIRS),
        "identity_votes": Rule(fail_above=1, source=_REAL_PAIRS),
        "identity_votes_ct": Rule(
            warn_above=1, source="limits of brain MR; not measured on real CT pairs, which breathe"
        ),
        "nearer_patients": Rule(
            fail_above=0,
            source="a scan is nearer to its own patient than to others; 0.05 of local match in "
            "between",
        ),
        "nearer_patients_ct": Rule(
            warn_above=0, source="as of MR; lungs breathe, and no real CT pair was measured"
        ),
        "mirror_margin": Rule(
            warn_below=0.05,
            fail_below=-0.05,
            source="6 real MR pairs fit 0.16 or more better than their mirror image",
        ),
        "size_change": Rule(
            warn_above=0.015,
            fail_above=0.02,
            source="20 real brain MR pairs change their volume by 1.9 % or less, lengths by 0.7 % "
            "(open MS data)",
        ),
        "fine_structure": Rule(
            warn_below=0.75,
            fail_below=0.60,
            source="6 real MR pairs reach 0.92 or more, simulated rescans 0.89, two patients 0.30",
        ),
        "contrast_flip": Rule(warn_above=0.1, fail_above=0.3, source=_BY_DEFINITION),
        "sharpness_change": Rule(
            warn_above=0.35,
            fail_above=0.7,
            source="3 real MR pairs of one grid 0.01 or less, simulated rescans with other noise "
            "0.08, a blur of 1.6 mm 0.75, of 2.4 mm 1.06; engineering default in between",
        ),
        "noise_change": Rule(warn_above=0.92, source="a factor of 2.5; engineering default"),
        "tissue_contrast_change": Rule(
            warn_above=0.10,
            fail_above=0.30,
            source="4 real MR pairs of like protocol 0.04 or less, another protocol 0.09; "
            "engineering default",
        ),
        "lung_volume_change": Rule(
            warn_above=0.29, source="a factor of 1.33; a real pair breathes by 1.18 (elastix data)"
        ),
        "soft_tissue_change": Rule(warn_above=15.0),
        "lung_tissue_change": Rule(warn_above=60.0),
        "brain_volume_change": Rule(
            warn_above=1.5,
            source="brains change by -0.65 +- 0.82 % a year, with Alzheimer's disease by -1.84 +- "
            "1.33 % (PMID 21764565); 3 % and 3 % a year are an engineering default",
        ),
        "changed_region": Rule(
            warn_above=1.5,
            fail_above=4.0,
            source="beyond 8 robust sd of the pair's own map (12 where the voxel size changed); 4 "
            "real MR pairs reach 0.9 ml, balls of 12 mm of another patient 0.3 to 9 ml",
        ),
        "tissue_shift": Rule(
            warn_above=1.7,
            fail_above=2.5,
            source="9 real brain MR pairs 0.45 to 1.63 mm, pairs of two patients 2.7 to 4.6 mm",
        ),
        "uneven_deformation": Rule(
            warn_above=0.13,
            fail_above=0.16,
            source="9 real brain MR pairs 0.051 to 0.127, pairs of two patients 0.163 to 0.214",
        ),
        "mass_effect": Rule(warn_above=1.0, fail_above=1.5, source=_MASS_EFFECT),
        "mass_effect_reversed": Rule(warn_above=0.5, source=_MASS_EFFECT),
        "field_folds": Rule(fail_above=1e-4, source=_BY_DEFINITION),
        "field_stretch": Rule(warn_above=0.001),
        "sidecars_unread": Rule(warn_above=0, source=_BY_DEFINITION),
        "fields_unread": Rule(warn_above=0, source=_BY_DEFINITION),
        "unmatched_region": Rule(
            warn_above=1.0,
            fail_above=2.0,
            source="local match below 0.70, smoothed; 3 real MR pairs of one protocol have no such "
            "place, balls of 16 mm of another patient 6 to 13 ml in two of three",
        ),
        "poorly_matched_region": Rule(
            warn_above=4.0,
            fail_above=6.0,
            source="local match below 0.80, smoothed; 3 real MR pairs of one protocol reach 2.9 "
            "ml, balls of 16 mm of another patient 6 to 30 ml",
        ),
        "equal_share": Rule(
            warn_above=0.2,
            fail_above=EQUAL_SHARE_LIMIT,
            source="real rescans share 0.0001 of their voxels",
        ),
        "noise_correlation": Rule(
            warn_above=0.80,
            fail_above=0.90,
            source="real rescans reach 0.06 to 0.75 at pixels of up to 1 mm, copies 0.93 to 1.00",
        ),
        "grain_correlation": Rule(
            warn_above=0.70,
            fail_above=0.85,
            source="6 real MR pairs with slices of 3 mm and more reach 0.24 to 0.56 at 2 mm; "
            "copies under noise of half their own 0.92; engineering default in between",
        ),
        "growth_speed": Rule(
            warn_above=0.5,
            fail_above=1,
            source="0.5 is the fastest growth published for the pathology; 1 is an engineering "
            "default about twice as fast",
        ),
        "growth_deviation": Rule(
            warn_above=2 / 3, fail_above=1, source="10 % and three sd of counting voxels"
        ),
        "growth_statement_unread": Rule(warn_above=0, source=_BY_DEFINITION),
        "direction_deviation": Rule(
            fail_above=1,
            source="5 % against the stated direction, 25 % of a stable lesion (British Thoracic "
            "Society 2015; 40 % of a glioma), and two sd of counting voxels",
        ),
        "stated_change_absent": Rule(
            warn_above=1, source="growth or shrinkage is stated, and none exceeds two sd"
        ),
        "growth_excluded": Rule(
            fail_above=0,
            source="less than 5 % in 90 days and more is a doubling in 3.5 years: no growth "
            "of a high-grade glioma, metastasis or solid lung cancer",
        ),
        "untreated_shrinkage": Rule(
            warn_above=1, source="a loss of 30 % and two sd; 14 % of untreated meningiomas shrink"
        ),
        "volume_jump": Rule(
            warn_above=1, fail_above=2, source="a factor of 1.5 there and back; engineering default"
        ),
        "timepoints_exchanged": Rule(warn_above=0.25, fail_above=0.75, source=_BY_DEFINITION),
        "lesions_vanished": Rule(warn_above=0),
        "unexpected_new_lesions": Rule(warn_above=0, source=_BY_DEFINITION),
        "lesion_moved": Rule(fail_above=15.0, source="lesions do not move; 15 mm for mass effect"),
        "lesion_place_lost": Rule(warn_above=0.15, fail_above=0.40),
        "lesion_shape_change": Rule(warn_above=0.5),
        "lesion_unchanged": Rule(fail_above=0.98, source=_BY_DEFINITION),
        "lesion_contrast_preserved": Rule(warn_below=-0.1, fail_below=-0.5),
        "mask_inside": Rule(warn_below=0.99, fail_below=0.95),
        "mask_depth_outside": _DEPTH,
        "lung_inside": Rule(warn_below=0.90, fail_below=0.60, source=_NODULES),
        "lung_depth_outside": Rule(warn_above=7.0, fail_above=12.0, source=_NODULES),
        "organ_inside": Rule(warn_below=0.99, fail_below=0.95),
        "organ_depth_outside": _DEPTH,
    }
)
"""Measure name to rule; measures without a rule are reported and never judged."""


def low_is_bad(name: str) -> bool:
    """True for a measure whose small values break its rule."""
    rule = RULES.get(name, Rule())
    return rule.fail_below is not None or rule.warn_below is not None
