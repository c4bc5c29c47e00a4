"""Shapley values of voxels and super-voxels, by the shap library.

All three divide the score's difference from normal among the places, so that the map's sum is the
score of the volume minus the (mean) score of what it is compared with.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from safegen_detectors.explain.perturbation import (
    evaluation_mode,
    replace_supervoxels,
    scores,
    spread_over_voxels,
    supervoxel_centres,
    supervoxel_count,
)

if TYPE_CHECKING:
    from torch import nn

    from safegen_detectors.explain.perturbation import Labels


def gradient_shap(
    score_of: nn.Module,
    volume: torch.Tensor,
    backgrounds: torch.Tensor,
    *,
    samples: int,
    seed: int,
    batch: int = 4,
) -> torch.Tensor:
    """Expected gradients against normal volumes (n, c, i, j, k): float32 (i, j, k).

    Monte Carlo: the sum is right up to the error of `samples` draws (Erion et al., 2021).
    """
    with evaluation_mode(score_of), _quiet(seed) as shap:
        explainer = shap.GradientExplainer(score_of, backgrounds, batch_size=batch)
        values = explainer.shap_values(volume[None], nsamples=samples, rseed=seed)
    return _channels_summed(values, volume)


def deep_shap(score_of: nn.Module, volume: torch.Tensor, backgrounds: torch.Tensor) -> torch.Tensor:
    """DeepLIFT's multipliers, mean over normal volumes (n, c, i, j, k): float32 (i, j, k).

    For modules of Conv3d, BatchNorm3d, ReLU (each used once, not in place), Linear, MaxPool3d and
    AdaptiveAvgPool3d, such as `surrogate.SurrogateNetwork` (Lundberg and Lee, NeurIPS 2017).

    Raises:
        UserWarning: shap has no rule for a layer, such as GroupNorm or SiLU.
        AssertionError: the map's sum is not the score's distance from normal.
    """
    module = copy.deepcopy(score_of).eval()  # shap leaves its hooks in a module that it refuses
    with _quiet(0) as shap:
        warnings.filterwarnings("error", message="unrecognized nn.Module")
        values = shap.DeepExplainer(module, backgrounds).shap_values(volume[None])
    return _channels_summed(values, volume)


def partition_shap(
    score_of: nn.Module,
    volume: torch.Tensor,
    baseline: torch.Tensor,
    labels: Labels,
    *,
    evaluations: int,
    seed: int,
    batch: int = 4,
) -> NDArray[np.float64]:
    """Owen values of super-voxels, float64 (m,), which are Shapley values for a linear score.

    The super-voxels are joined by the distance of their centres (Ward); `evaluations` is about
    how many scores are asked for, and what is not resolved by then is shared evenly within a
    group, so that the sum is exact with any number. `spread_over_voxels` makes
    a map of them.
    """
    number = supervoxel_count(labels)

    def score_with(unchanged: NDArray[Any]) -> NDArray[Any]:
        volumes = (replace_supervoxels(volume, baseline, labels, row > 0.5) for row in unchanged)
        return scores(score_of, volumes, batch=batch).double().cpu().numpy()

    if number == 1:
        all_or_none = score_with(np.array([[1.0], [0.0]]))
        return np.asarray(all_or_none[:1] - all_or_none[1:])
    with _quiet(seed) as shap:
        masker = shap.maskers.Partition(np.zeros((1, number)), clustering=_tree(labels))
        explainer = shap.PartitionExplainer(score_with, masker)
        found = explainer(np.ones((1, number)), max_evals=evaluations, silent=True)
    return np.asarray(found.values[0], dtype=np.float64)


def partition_shap_map(
    score_of: nn.Module,
    volume: torch.Tensor,
    baseline: torch.Tensor,
    labels: Labels,
    *,
    evaluations: int,
    seed: int,
    batch: int = 4,
) -> torch.Tensor:
    """`partition_shap`, each super-voxel's value spread evenly over its voxels: (i, j, k)."""
    values = partition_shap(
        score_of, volume, baseline, labels, evaluations=evaluations, seed=seed, batch=batch
    )
    return torch.from_numpy(spread_over_voxels(values, labels)).to(volume.device)


def _tree(labels: Labels) -> NDArray[np.float64]:
    from scipy.cluster import hierarchy

    return np.asarray(hierarchy.linkage(supervoxel_centres(labels), method="ward"))


def _channels_summed(values: Any, volume: torch.Tensor) -> torch.Tensor:
    """(1, c, i, j, k, 1), as shap gives it, to (i, j, k)."""
    array = np.asarray(values, dtype=np.float32)[0, ..., 0]
    return torch.from_numpy(array.sum(axis=0)).to(volume.device)


@contextmanager
def _quiet(seed: int) -> Iterator[Any]:
    """The shap library without warnings; it draws from numpy's global generator, which is left
    as it was."""
    state = np.random.get_state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shap = _import_shap()
        np.random.seed(seed)
        try:
            yield shap
        finally:
            np.random.set_state(state)


def _import_shap() -> Any:
    """The shap library; numba would compile for 3 s to save milliseconds on a few hundred cubes."""
    import numba

    compiles_not = numba.config.DISABLE_JIT
    numba.config.DISABLE_JIT = True
    try:
        import shap
    finally:
        numba.config.DISABLE_JIT = compiles_not
    return shap
