from __future__ import annotations

import numpy as np
import pytest

from safegen_reports.html.images.slices import (
    CONTOUR_COLOUR,
    MAX_OPACITY,
    apply_colour_map,
    colour_bar,
    render_overlay,
)


def _flat(value: float) -> np.ndarray:
    return np.full((5, 5), value, dtype=np.float32)


@pytest.mark.parametrize("value", [-1.0, 0.0, 0.5, np.nan, -np.inf])
def test_below_half_the_limit_nothing_is_drawn(value) -> None:
    assert (render_overlay(_flat(value), ceiling=3.0)[..., 3] == 0).all()


def test_between_half_and_the_limit_the_colour_fades_in() -> None:
    opacity = render_overlay(_flat(0.75), ceiling=3.0)[..., 3]
    assert (opacity == int(0.5 * MAX_OPACITY * 255)).all()


def test_a_line_surrounds_what_reaches_the_limit() -> None:
    values = np.zeros((11, 11), dtype=np.float32)
    values[2:9, 2:9] = 1.0
    line = (render_overlay(values, ceiling=3.0)[..., :3] == CONTOUR_COLOUR).all(axis=-1)
    inside, hole = np.zeros((2, 11, 11), dtype=bool)
    inside[2:9, 2:9] = True
    hole[4:7, 4:7] = True
    np.testing.assert_array_equal(line, inside & ~hole)


def test_no_line_is_drawn_below_the_limit() -> None:
    picture = render_overlay(_flat(0.99), ceiling=3.0)
    assert not (picture[..., :3] == CONTOUR_COLOUR).all(axis=-1).any()


def test_one_value_has_one_colour_whatever_else_the_map_holds() -> None:
    alone = apply_colour_map(np.array([1.4], dtype=np.float32), ceiling=3.0)
    among = apply_colour_map(np.array([1.4, 2.9], dtype=np.float32), ceiling=3.0)
    np.testing.assert_array_equal(alone[0], among[0])


def test_what_is_above_the_ceiling_has_the_last_colour() -> None:
    top, beyond = apply_colour_map(np.array([3.0, 99.0], dtype=np.float32), ceiling=3.0)
    np.testing.assert_array_equal(top, beyond)


def test_worse_is_lighter_all_along_the_scale() -> None:
    lightness = colour_bar()[0].astype(float) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) >= -1e-9).all()
    assert lightness[-1] - lightness[0] > 150


def test_a_ceiling_at_the_foot_of_the_scale_divides_by_nothing() -> None:
    assert np.isfinite(render_overlay(_flat(1.0), ceiling=0.5)).all()
