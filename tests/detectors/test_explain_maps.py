"""Grad-CAM, gradients and occlusion, on modules of which one knows what they look at."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from safegen_detectors.explain.maps import (
    cubes_of,
    grad_cam,
    gradient_times_change,
    gradients,
    integrated_gradients,
    occlusion,
)
from safegen_detectors.explain.perturbation import scores

pytestmark = pytest.mark.slow

SHAPE = (8, 10, 12)
CORNER = (slice(0, 4), slice(0, 4), slice(0, 4))


class Corner(nn.Module):
    """Bright voxels in one corner of the volume raise the score; nothing else does."""

    def __init__(self) -> None:
        super().__init__()
        self.blur = nn.Conv3d(1, 2, 3, padding=1, bias=False)
        self.active = nn.ReLU()
        kernel = torch.stack([torch.full((1, 3, 3, 3), 1 / 27), torch.full((1, 3, 3, 3), -1 / 27)])
        self.blur.weight = nn.Parameter(kernel)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        maps = self.active(self.blur(volumes))[:, :1]
        seen = torch.zeros_like(maps)
        seen[:, :, *CORNER] = 1.0
        return (maps * seen).flatten(1).sum(dim=1, keepdim=True)


class Random(nn.Module):
    """A small network with a flat readout, smooth in its input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(2, 3, 3, padding=1)
        self.readout = nn.Linear(3, 1)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        return self.readout(functional.softplus(self.conv(volumes)).mean(dim=(2, 3, 4)))


@pytest.fixture
def random_module() -> Iterator[Random]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield Random().eval()


def volume(seed: int, channels: int = 1) -> torch.Tensor:
    values = np.random.default_rng(seed).random((channels, *SHAPE))
    return torch.from_numpy(values.astype(np.float32))


def bright(place: tuple[slice, slice, slice]) -> torch.Tensor:
    values = torch.zeros(1, *SHAPE)
    values[:, *place] = 1.0
    return values


NORMAL = torch.zeros(1, *SHAPE)
BOTH = bright(CORNER) + bright((slice(5, 8), slice(6, 10), slice(8, 12)))


def share_in_corner(found: torch.Tensor) -> float:
    return float(found[CORNER].sum() / found.sum())


# scores


@pytest.mark.parametrize("batch", [1, 2, 3, 10])
def test_scores_do_not_depend_on_the_batch(random_module: Random, batch: int) -> None:
    volumes = torch.stack([volume(seed, 2) for seed in range(5)])
    expected = random_module(volumes)[:, 0].detach()
    torch.testing.assert_close(scores(random_module, volumes, batch=batch), expected)


def test_a_module_is_left_in_the_mode_it_was_in() -> None:
    module = nn.Sequential(nn.Dropout(), nn.Dropout(), nn.Flatten(), nn.Linear(960, 1))
    module[1].eval()
    scores(module, [volume(0)], batch=1)
    assert [part.training for part in module.modules()] == [True, True, False, True, True]


# Grad-CAM


def test_grad_cam_points_to_the_corner_that_the_score_sees() -> None:
    module = Corner()
    found = grad_cam(module, bright(CORNER), module.active)
    assert np.unravel_index(int(found.argmax()), SHAPE) < (4, 4, 4)


def test_grad_cam_is_a_map_on_the_grid_and_never_negative(random_module: Random) -> None:
    found = grad_cam(random_module, volume(0, 2), random_module.conv)
    assert (found.shape, bool((found >= 0).all()), found.requires_grad) == (SHAPE, True, False)


def test_grad_cam_is_its_formula(random_module: Random) -> None:
    """A plain reference with numpy: the gradient of a mean of softplus is known."""
    inputs = volume(3, 2)
    maps = random_module.conv(inputs[None])[0].detach().numpy().astype(np.float64)
    readout = random_module.readout.weight.detach().numpy()[0]
    slope = readout[:, None, None, None] / (1 + np.exp(-maps)) / maps[0].size
    expected = np.maximum((slope.mean(axis=(1, 2, 3))[:, None, None, None] * maps).sum(axis=0), 0)
    actual = grad_cam(random_module, inputs, random_module.conv).numpy()
    np.testing.assert_allclose(actual, expected, atol=1e-8)


def test_grad_cam_is_brought_up_to_the_grid_of_the_volume() -> None:
    module = nn.Sequential(nn.Conv3d(1, 1, 3, stride=2), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    assert grad_cam(module, volume(0), module[0]).shape == SHAPE


@pytest.mark.filterwarnings("ignore")
def test_grad_cam_is_that_of_monai(random_module: Random) -> None:
    visualize = pytest.importorskip("monai.visualize")
    inputs = volume(4, 2)
    reference = visualize.GradCAM(
        random_module, target_layers="conv", postprocessing=lambda values: values
    )
    expected = torch.as_tensor(reference(inputs[None], class_idx=0))[0, 0]
    actual = grad_cam(random_module, inputs, random_module.conv)
    torch.testing.assert_close(actual, expected, atol=1e-9, rtol=1e-4)


@pytest.mark.parametrize("layer", ["readout", "unused"])
def test_grad_cam_refuses_a_layer_that_it_cannot_use(random_module: Random, layer: str) -> None:
    random_module.unused = nn.Conv3d(1, 1, 1)
    with pytest.raises(ValueError, match="must give maps"):
        grad_cam(random_module, volume(0, 2), getattr(random_module, layer))


def test_grad_cam_refuses_a_layer_that_the_score_ignores() -> None:
    class Ignores(Corner):
        def forward(self, volumes: torch.Tensor) -> torch.Tensor:
            self.blur(volumes)
            return volumes.flatten(1).sum(dim=1, keepdim=True)

    module = Ignores()
    with pytest.raises(ValueError, match="does not depend"):
        grad_cam(module, volume(0), module.blur)


def test_grad_cam_leaves_no_hook(random_module: Random) -> None:
    grad_cam(random_module, volume(0, 2), random_module.conv)
    assert not random_module.conv._forward_hooks


# gradients


def test_the_gradient_is_the_slope_of_the_score(random_module: Random) -> None:
    exact, inputs, step = random_module.double(), volume(0, 2).double(), torch.zeros(2, *SHAPE)
    step[1, 3, 4, 5] = 1e-3
    above, below = (exact((inputs + sign * step)[None]) for sign in (1, -1))
    expected = float((above - below).detach()) / 2e-3
    actual = gradients(exact, inputs[None])[0, 1, 3, 4, 5]
    assert float(actual) == pytest.approx(expected, rel=1e-4)


def test_each_volume_has_a_gradient_of_its_own(random_module: Random) -> None:
    volumes = torch.stack([volume(0, 2), volume(1, 2)])
    alone = torch.cat([gradients(random_module, one[None]) for one in volumes])
    torch.testing.assert_close(gradients(random_module, volumes), alone)


@pytest.mark.parametrize("method", ["plain", "integrated"])
def test_gradients_see_the_fault_in_the_corner_and_not_the_other(method: str) -> None:
    found = attribution(method, Corner(), BOTH, NORMAL)
    assert share_in_corner(found) > 0.99


@pytest.mark.parametrize("method", ["plain", "integrated"])
def test_what_is_normal_has_no_part_in_the_score(method: str) -> None:
    found = attribution(method, Corner(), BOTH, BOTH)
    assert float(found.abs().max()) == 0.0


def attribution(
    method: str, module: nn.Module, one: torch.Tensor, normal: torch.Tensor
) -> torch.Tensor:
    if method == "plain":
        return gradient_times_change(module, one, normal)
    return integrated_gradients(module, one, normal, steps=8)


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_integrated_gradients_add_up_to_the_change_of_the_score(
    random_module: Random, batch: int
) -> None:
    one, normal = volume(0, 2), volume(1, 2)
    found = integrated_gradients(random_module, one, normal, steps=32, batch=batch)
    with_fault, without = scores(random_module, [one, normal], batch=2)
    assert float(found.sum()) == pytest.approx(float(with_fault - without), rel=1e-3)


# occlusion


@pytest.mark.parametrize(("side", "step"), [(2, 2), (3, 2), (4, 4), (4, 1), (20, 5)])
def test_cubes_cover_every_voxel(side: int, step: int) -> None:
    covered = np.zeros(SHAPE, int)
    for cube in cubes_of(SHAPE, side=side, step=step):
        covered[cube] += 1
    assert covered.min() > 0


def test_occlusion_finds_the_fault_in_the_corner_and_not_the_other() -> None:
    found = occlusion(Corner(), BOTH, NORMAL, side=2, step=2)
    assert share_in_corner(found) == pytest.approx(1.0)


def test_occlusion_is_the_fall_of_the_score() -> None:
    one = bright(CORNER)
    found = occlusion(Corner(), one, NORMAL, side=20, step=20)
    expected = float(scores(Corner(), [one], batch=1)[0])
    torch.testing.assert_close(found, torch.full(SHAPE, expected))


def test_occlusion_by_the_baseline_itself_is_nothing() -> None:
    found = occlusion(Corner(), BOTH, BOTH, side=3, step=2)
    assert float(found.abs().max()) == 0.0


def test_a_hole_that_is_filled_from_the_baseline_is_found() -> None:
    """With zeros in place of the baseline a hole would change nothing and never be seen."""

    class Missing(nn.Module):
        def forward(self, volumes: torch.Tensor) -> torch.Tensor:
            return (1 - volumes).clamp(min=0).flatten(1).sum(dim=1, keepdim=True)

    normal, holed = torch.ones(1, *SHAPE), 1 - bright(CORNER)
    found = occlusion(Missing(), holed, normal, side=2, step=2)
    assert share_in_corner(found) == pytest.approx(1.0)


def test_occlusion_leaves_out_cubes_without_body() -> None:
    body = torch.zeros(SHAPE, dtype=torch.bool)
    body[4:] = True
    found = occlusion(Corner(), bright(CORNER), NORMAL, side=4, step=4, body=body)
    assert float(found.abs().max()) == 0.0


def test_occlusion_does_not_depend_on_the_batch(random_module: Random) -> None:
    maps = [
        occlusion(random_module, volume(0, 2), volume(1, 2), side=4, step=3, batch=batch)
        for batch in (1, 5)
    ]
    torch.testing.assert_close(*maps, atol=1e-6, rtol=1e-4)
