"""A small network that predicts a check's score, so that SHAP can explain it.

It sees prepared volumes on a coarse grid. How far it may be trusted is its rank correlation
with the score on samples of patients that it was not trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    Arrays = Mapping[str, NDArray[Any]]

WIDTHS = (8, 16, 16)
BATCH = 8
LEARNING_RATE = 0.01
HELD_OUT_SHARE = 0.2
FEWEST_PATIENTS = 10
SMALLEST_SPREAD = 0.02
"""Of a voxel among the samples, in prepared intensities 0 to 1: air is 0 in every scan."""


class SurrogateNetwork(nn.Module):
    """Log score (n, 1) of volumes (n, 1, i, j, k): three convolutions on the whitened volume.

    Every layer has a rule in shap's DeepExplainer, and each ReLU is used once. `last` is the
    layer for Grad-CAM.
    """

    mean: torch.Tensor
    spread: torch.Tensor
    level: torch.Tensor

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, *shape))
        self.register_buffer("spread", torch.ones(1, *shape))
        self.register_buffer("level", torch.tensor([0.0, 1.0]))
        first, second, third = WIDTHS
        self.body = nn.Sequential(
            nn.Conv3d(1, first, 3, stride=2, padding=1),
            nn.BatchNorm3d(first),
            nn.ReLU(),
            nn.Conv3d(first, second, 3, padding=1),
            nn.BatchNorm3d(second),
            nn.ReLU(),
        )
        self.last = nn.Conv3d(second, third, 3, stride=2, padding=1)
        self.head = nn.Sequential(
            nn.BatchNorm3d(third), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten()
        )
        self.readout = nn.Linear(third, 1)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """The log score of each volume."""
        whitened = (volumes - self.mean) / self.spread
        units = self.readout(self.head(self.last(self.body(whitened))))
        log_score: torch.Tensor = self.level[0] + self.level[1] * units
        return log_score


@dataclass(frozen=True, slots=True)
class TrainedSurrogate:
    """The weights of a predictor, and Spearman's correlation on `held_out` samples."""

    arrays: Arrays
    rank_correlation: float
    held_out: int


def pooled(voxels: torch.Tensor, *, factor: int) -> torch.Tensor:
    """The means of cubes of `factor` voxels: (i, j, k) to (1, ...), what is over is cut off."""
    return functional.avg_pool3d(voxels.float()[None], factor)


def train_surrogate(
    volumes: torch.Tensor,
    scores: NDArray[Any],
    *,
    seed: int,
    steps: int,
    patients: Sequence[str] | None = None,
) -> TrainedSurrogate:
    """Learn the log of positive scores (n,) from volumes (n, 1, i, j, k) on a coarse grid.

    A fifth of the samples, of `patients` if they are given, is held out and never learned from.

    Raises:
        ValueError: samples of fewer than 10 patients, or a score that is not above 0.
    """
    patient_names = patients or [str(number) for number in range(len(scores))]
    if len(set(patient_names)) < FEWEST_PATIENTS or not (np.asarray(scores) > 0).all():
        raise ValueError(
            f"a predictor needs {FEWEST_PATIENTS} patients or more, with scores above 0"
        )
    is_held_out = _held_out(patient_names, seed)
    logs = torch.from_numpy(np.log(np.asarray(scores, dtype=np.float32))).to(volumes.device)
    module = _train(volumes[~is_held_out], logs[~is_held_out], seed=seed, steps=steps)
    with torch.no_grad():
        predicted = torch.cat([module(one[None]) for one in volumes[is_held_out]])[:, 0]
    return TrainedSurrogate(
        to_arrays(module), _rank_correlation(predicted, logs[is_held_out]), int(is_held_out.sum())
    )


def to_arrays(module: SurrogateNetwork) -> Arrays:
    """The weights and buffers of a predictor by name, as numpy arrays."""
    state = module.state_dict()
    return {name: value.detach().cpu().numpy() for name, value in state.items()}


def from_arrays(arrays: Arrays, *, device: str = "cpu") -> SurrogateNetwork:
    """The predictor of some weights, in evaluation mode."""
    module = SurrogateNetwork(arrays["mean"].shape[1:])
    module.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    return module.to(device).eval()


def _train(volumes: torch.Tensor, logs: torch.Tensor, *, seed: int, steps: int) -> SurrogateNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = SurrogateNetwork(volumes.shape[2:])
    module.mean = volumes.mean(dim=0)
    module.spread = volumes.std(dim=0).clamp(min=SMALLEST_SPREAD)
    module.level = torch.stack([logs.mean(), logs.std().clamp(min=1e-6)])
    module = module.to(volumes.device).train()
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(module.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        chosen = torch.randperm(len(logs), generator=random)[:BATCH]
        error = (module(volumes[chosen])[:, 0] - logs[chosen]) / module.level[1]
        loss = functional.smooth_l1_loss(error, torch.zeros_like(error))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return module.eval()


def _held_out(patients: Sequence[str], seed: int) -> torch.Tensor:
    """bool (n,): the samples of a random fifth of the patients."""
    names = sorted(set(patients))
    few = round(HELD_OUT_SHARE * len(names))
    chosen = set(np.random.default_rng(seed).permutation(names)[:few].tolist())
    return torch.tensor([patient in chosen for patient in patients])


def _rank_correlation(predicted: torch.Tensor, truth: torch.Tensor) -> float:
    """Spearman's correlation; 0 where either side is constant."""
    from scipy.stats import rankdata

    x, y = (rankdata(side.cpu().numpy()) for side in (predicted, truth))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])
