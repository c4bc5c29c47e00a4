"""The grid of disturbances: a row a kind, three strengths each."""

from __future__ import annotations

from benchmarks.memorization import geometries, intensities, partial_copies
from benchmarks.memorization.copy_sources import Disturbance

STRENGTHS = 3

GRID: dict[str, Disturbance] = {
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
    "part, 50 %": partial_copies.patch_of(0.5),
    "part, 25 %": partial_copies.patch_of(0.25),
    "part, 12.5 %": partial_copies.patch_of(0.125),
    "part, 5 %": partial_copies.patch_of(0.05),
    "part, 3 %": partial_copies.patch_of(0.03),
    "part, 1.5 %": partial_copies.patch_of(0.015),
    "two patients mixed": partial_copies.mixed,
    "blend with a stranger": partial_copies.blended,
    "half mirrored": partial_copies.half_mirrored,
    "all mild ones together": partial_copies.all_mild,
    "inverted, mirrored, turned": partial_copies.inverted_turned,
}

APART: dict[str, Disturbance] = {"rescan (simulated)": partial_copies.rescanned}
"""Not copies of a scan, but the same patient."""
