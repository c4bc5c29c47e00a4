"""The one colour scale of all heatmaps, in units of the limit: 0.5 is clear, 1.0 is outlined."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CLEAR_BELOW = 0.5
MOST_OPAQUE = 0.72
CONTOUR = (64, 224, 255)
# The upper part of the inferno scale (van der Walt and Smith, CC0): its lightness rises evenly,
# so it reads in grey print and to colour-blind eyes; its dark part would vanish on a dark scan.
STOPS = np.array(
    [
        (120, 28, 109),
        (165, 44, 96),
        (207, 68, 70),
        (237, 105, 37),
        (251, 155, 6),
        (247, 209, 61),
        (252, 255, 164),
    ],
    dtype=np.float64,
)


def colour(values: NDArray[np.float32], *, ceiling: float) -> NDArray[np.uint8]:
    """RGB (..., 3) of heatmap values, from 0.5 at the scale's foot to the ceiling at its head."""
    height = np.clip((values - CLEAR_BELOW) / max(ceiling - CLEAR_BELOW, 1e-6), 0, 1)
    at = height * (len(STOPS) - 1)
    channels = [np.interp(at, np.arange(len(STOPS)), STOPS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def overlay(values: NDArray[np.float32], *, ceiling: float) -> NDArray[np.uint8]:
    """RGBA (rows, columns, 4): clear below 0.5, a bright line around what reaches 1.0."""
    values = np.nan_to_num(values, nan=0.0, posinf=ceiling, neginf=0.0)
    opacity = np.clip((values - CLEAR_BELOW) / (1 - CLEAR_BELOW), 0, 1) * MOST_OPAQUE
    picture = np.dstack([colour(values, ceiling=ceiling), (opacity * 255).astype(np.uint8)])
    picture[_edge(values >= 1.0)] = (*CONTOUR, 255)
    return picture


def scale() -> NDArray[np.uint8]:
    """The colour bar (16, 256, 3), from 0.5 on the left to the ceiling on the right."""
    run = np.linspace(CLEAR_BELOW, 1.0, 256, dtype=np.float32)
    return np.tile(colour(run, ceiling=1.0), (16, 1, 1))


def _edge(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels inside that touch one outside, two pixels wide, so that they show in print."""
    line: NDArray[np.bool_] = inside & ~_shrunk(_shrunk(inside))
    return line


def _shrunk(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    frame = np.pad(inside, 1)
    neighbours = (frame[:-2, 1:-1], frame[2:, 1:-1], frame[1:-1, :-2], frame[1:-1, 2:])
    surrounded: NDArray[np.bool_] = np.logical_and.reduce((inside, *neighbours))
    return surrounded
