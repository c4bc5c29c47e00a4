"""The grid of disturbances: a row a kind, three strengths each."""

from __future__ import annotations

from benchmarks.memorization_parts import geometries, intensities, parts
from benchmarks.memorization_parts.material import Disturb

STRENGTHS = 3

GRID: dict[str, Disturb] = {
    "exact": intensities.exact,
    "noise": intensities.noisy,
    "blur": intensities.blurred,
    "sharpening": intensities.sharpened,
    "gamma": intensities.curved,
    "bias field": intensities.biased,
    "contrast inverted": intensities.inverted,
    "contrast of another sequence": intensities.other_contrast,
    "histogram matched": intensities.matched,
    "few grey values": intensities.posterized,
    "lesion painted in": intensities.painted,
    "autoencoder round trip": intensities.restored,
    "mirrored": geometries.mirrored,
    "mirrored, turned, noise": geometries.mirrored_noisy,
    "quarter turns": geometries.quarter_turn,
    "turned": geometries.turned,
    "turned and scaled": geometries.turned_scaled,
    "stretched": geometries.scaled,
    "sheared": geometries.sheared,
    "shifted": geometries.shifted,
    "elastic": geometries.elastic,
    "thick slices": geometries.thick_slices,
    "coarse voxels": geometries.coarse,
    "missing slices": geometries.missing_slices,
    "cropped": geometries.cropped,
    "part, 50 %": parts.patch_of(0.5),
    "part, 25 %": parts.patch_of(0.25),
    "part, 12.5 %": parts.patch_of(0.125),
    "part, 5 %": parts.patch_of(0.05),
    "part, 3 %": parts.patch_of(0.03),
    "part, 1.5 %": parts.patch_of(0.015),
    "two patients mixed": parts.mixed,
    "blend with a stranger": parts.blended,
    "half mirrored": parts.half_mirrored,
    "all mild ones together": parts.all_mild,
    "inverted, mirrored, turned": parts.inverted_turned,
}

APART: dict[str, Disturb] = {"rescan (simulated)": parts.rescanned}
"""Not copies of a scan, but the same patient."""
