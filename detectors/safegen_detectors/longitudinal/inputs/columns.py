"""The columns of the metadata that the longitudinal check reads, with what each of them means."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

GROWTH_COLUMNS: Mapping[str, str] = {
    "doubling_days": "volume doubling time, days",
    "growth_rate_per_day": "exponential rate of the volume, 1/day",
    "percent_per_month": "growth of the volume in a month, percent",
    "mm_per_year": "growth of the diameter in a year, mm",
    "radius_mm_per_year": "growth of the radius in a year, mm",
    "carrying_capacity_ml": "volume at which Gompertz or logistic growth ends, ml",
    "gompertz_decay_per_day": "rate at which Gompertz growth slows down, 1/day",
    "diffusion_mm2_per_day": "diffusion coefficient D of the Fisher-KPP model, mm2/day",
    "proliferation_per_day": "proliferation rate rho of the Fisher-KPP model, 1/day",
}
"""The numbers of a growth model."""

METADATA_COLUMNS: Mapping[str, str] = {
    "pathology": "diagnosis of the lesion, as people write it",
    "growth": "direction of the growth in words: growing, stable or shrinking",
    "growth_model": "exponential, linear, gompertz, logistic, fisher-kpp or stable",
    "prompt": "text that the generator was given; a direction of growth is read from it",
    "treated": "treatment before or between the scans; the lesion may then shrink or vanish",
    "resected": "resection before or between the scans; the lesion may then vanish or return",
    "background": "shared: lesions are painted into one background, so voxels may repeat",
    "organ_mask": "path of the mask of the organ that holds the lesion, within the data folder",
    "deformation_field": "path of the displacement field of the follow-up, within the data folder",
    "same_grid": "yes: all timepoints have the same voxel grid, which is then checked",
    "coregistered": "yes: all timepoints are registered, which is then checked",
    **GROWTH_COLUMNS,
}
"""All columns that may be given for a scan, or once for a whole release in the settings."""

COLUMN_ALIASES: Mapping[str, str] = {
    "doubling_time_days": "doubling_days",
    "vdt_days": "doubling_days",
    "diameter_mm_per_year": "mm_per_year",
}
"""Other spellings of a column."""
