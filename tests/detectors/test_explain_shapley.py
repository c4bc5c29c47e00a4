"""Shapley values of modules whose values are known, by hand or by trying every order."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from safegen_detectors.explain.perturbation import (
    cubic_supervoxels,
    replace_supervoxels,
    scores,
    supervoxel_count,
)
from safegen_detectors.explain.shapley import (
    deep_shap,
    gradient_shap,
    partition_shap,
    partition_shap_map,
)
from safegen_detectors.explain.surrogate import SurrogateNetwork

pytestmark = pytest.mark.slow

SHAPE = (6, 6, 6)
SMALL = cubic_supervoxels(np.ones(SHAPE, bool), side=3)
MANY = 200


class Linear(nn.Module):
    """The sum of fixed weights times voxels: each voxel's Shapley value is known."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(volume(9)))

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        return (volumes * self.weight).flatten(1).sum(dim=1, keepdim=True)


class Squares(nn.Module):
    """The sum of squares: no gradient alone tells its change, their mean does."""

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        return volumes.square().flatten(1).sum(dim=1, keepdim=True)


class Together(nn.Module):
    """High only where both ends are changed: two players who share what neither earns alone."""

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        return volumes[:, :, 0, 0, 0] * volumes[:, :, -1, -1, -1]


class Refused(nn.Module):
    """A layer that shap has no rule for."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(1, 2, 3), nn.GroupNorm(1, 2), nn.SiLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten()
        )
        self.readout = nn.Linear(2, 1)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        return self.readout(self.layers(volumes))


def volume(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, *SHAPE)).astype(np.float32)


def predictor() -> SurrogateNetwork:
    """An untrained predictor, whose scores are spread as those of a trained one."""
    module = seeded(lambda: SurrogateNetwork(SHAPE))
    module.level = torch.tensor([1.0, 300.0])
    return module


def seeded(make: Callable[[], Any]) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().eval()


VOLUME, BASELINE = (torch.from_numpy(volume(seed)) for seed in (0, 1))
BACKGROUNDS = torch.from_numpy(np.stack([volume(seed) for seed in (1, 2, 3)]))


def score(module: nn.Module, *volumes: torch.Tensor) -> np.ndarray:
    return scores(module, volumes, batch=2).double().numpy()


def exact(module: nn.Module, labels: np.ndarray) -> np.ndarray:
    """Shapley values by every order of joining: an independent, plain reference."""
    number = supervoxel_count(labels)
    orders = list(permutations(range(number)))
    total = np.zeros(number)
    for order in orders:
        kept = np.zeros(number, bool)
        before = score(module, replace_supervoxels(VOLUME, BASELINE, labels, kept))[0]
        for player in order:
            kept[player] = True
            after = score(module, replace_supervoxels(VOLUME, BASELINE, labels, kept))[0]
            total[player] += after - before
            before = after
    return total / len(orders)


def partition(module: nn.Module, labels: np.ndarray, evaluations: int = MANY) -> np.ndarray:
    return partition_shap(module, VOLUME, BASELINE, labels, evaluations=evaluations, seed=0)


def test_partition_gives_a_linear_score_its_exact_values() -> None:
    module = Linear()
    parts = (module.weight * (VOLUME - BASELINE)).detach().numpy()[0]
    expected = [parts[label == SMALL].sum() for label in range(8)]
    np.testing.assert_allclose(partition(module, SMALL), expected, atol=1e-4)


def test_partition_shares_evenly_what_only_two_make_together() -> None:
    halves = (
        cubic_supervoxels(np.ones(SHAPE, bool), side=3)[:, :1, :1].repeat(6, 1).repeat(6, 2) // 4
    )
    np.testing.assert_allclose(partition(Together(), halves), exact(Together(), halves), atol=1e-5)


def test_partition_gives_nothing_to_cubes_that_the_score_does_not_see() -> None:
    assert np.flatnonzero(np.abs(partition(Together(), SMALL)) > 1e-6).tolist() == [0, 7]


@pytest.mark.parametrize("evaluations", [4, 10, MANY])
def test_partition_adds_up_with_any_number_of_evaluations(evaluations: int) -> None:
    module = predictor()
    with_all, with_none = score(module, VOLUME, BASELINE)
    actual = partition(module, SMALL, evaluations).sum()
    assert abs(with_all - with_none) > 0.1
    assert actual == pytest.approx(with_all - with_none, abs=1e-3)


def test_a_single_super_voxel_gets_everything() -> None:
    one = cubic_supervoxels(np.ones(SHAPE, bool), side=6)
    with_all, with_none = score(Linear(), VOLUME, BASELINE)
    assert partition(Linear(), one) == pytest.approx([with_all - with_none], abs=1e-5)


def test_the_map_of_super_voxels_has_the_same_sum() -> None:
    found = partition_shap_map(Linear(), VOLUME, BASELINE, SMALL, evaluations=MANY, seed=0)
    assert found.shape == SHAPE
    assert float(found.sum()) == pytest.approx(partition(Linear(), SMALL).sum(), abs=1e-4)


def test_what_is_outside_the_super_voxels_is_never_replaced() -> None:
    body = np.zeros(SHAPE, bool)
    body[:3] = True
    labels = cubic_supervoxels(body, side=3)
    both = replace_supervoxels(VOLUME, BASELINE, labels, np.zeros(supervoxel_count(labels), bool))
    torch.testing.assert_close(both[0, 3:], VOLUME[0, 3:])
    torch.testing.assert_close(both[0, :3], BASELINE[0, :3])


def test_deep_gives_a_linear_score_its_exact_values() -> None:
    """A linear layer on flat voxels, which shap has a rule for."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(6**3, 1)).eval()
    weight = module[1].weight.detach().reshape(SHAPE)
    expected = weight * (VOLUME - BACKGROUNDS.mean(dim=0))[0]
    torch.testing.assert_close(deep_shap(module, VOLUME, BACKGROUNDS), expected, atol=1e-5, rtol=0)


def test_deep_adds_up_on_the_light_predictor() -> None:
    module = predictor()
    expected = score(module, VOLUME)[0] - score(module, *BACKGROUNDS).mean()
    assert abs(expected) > 0.1
    assert float(deep_shap(module, VOLUME, BACKGROUNDS).sum()) == pytest.approx(expected, abs=1e-3)


def test_deep_refuses_what_it_has_no_rule_for() -> None:
    with pytest.raises(UserWarning, match=r"GroupNorm|SiLU"):
        deep_shap(seeded(Refused), VOLUME, BACKGROUNDS)


def test_deep_leaves_no_hook_in_a_module_that_it_refuses() -> None:
    module = seeded(Refused)
    with pytest.raises(UserWarning):
        deep_shap(module, VOLUME, BACKGROUNDS)
    assert [part for part in module.modules() if part._forward_hooks or part._backward_hooks] == []


def test_gradient_gives_a_linear_score_its_exact_values_against_one_normal_volume() -> None:
    module = Linear()
    found = gradient_shap(module, VOLUME, BASELINE[None], samples=4, seed=0)
    expected = (module.weight * (VOLUME - BASELINE)).detach()[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_gradient_adds_up_within_its_sampling_error() -> None:
    normal = torch.zeros_like(VOLUME)
    found = gradient_shap(Squares(), VOLUME, normal[None], samples=500, seed=0)
    assert float(found.sum()) == pytest.approx(float(VOLUME.square().sum()), rel=0.1)


def sampled(method: str, seed: int) -> np.ndarray:
    module = predictor()
    if method == "gradient":
        return gradient_shap(module, VOLUME, BACKGROUNDS, samples=3, seed=seed).numpy()
    return partition_shap(module, VOLUME, BASELINE, SMALL, evaluations=12, seed=seed)


@pytest.mark.parametrize("method", ["gradient", "partition"])
def test_the_same_seed_gives_the_same_values(method: str) -> None:
    np.testing.assert_array_equal(sampled(method, 3), sampled(method, 3))


def test_another_seed_draws_other_samples() -> None:
    assert not np.array_equal(sampled("gradient", 3), sampled("gradient", 4))


@pytest.mark.parametrize("method", ["gradient", "partition"])
def test_the_global_generator_is_left_as_it_was(method: str) -> None:
    np.random.seed(7)
    expected = np.random.random()
    np.random.seed(7)
    sampled(method, 3)
    assert np.random.random() == expected


def test_a_module_in_training_is_asked_as_it_judges_and_left_in_training() -> None:
    module = predictor()
    expected = gradient_shap(module, VOLUME, BACKGROUNDS, samples=3, seed=0)
    module.train()
    actual = gradient_shap(module, VOLUME, BACKGROUNDS, samples=3, seed=0)
    torch.testing.assert_close(actual, expected)
    assert all(part.training for part in module.modules())
