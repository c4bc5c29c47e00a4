"""MONAI's diffusion network in two sizes, its noise schedule, and DDIM from partial noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from pytest_safegen.api import UsageProblem
from safegen_detectors.anomaly.reference.types import Sample

SizeName = Literal["auto", "small", "large"]


@dataclass(frozen=True, slots=True)
class Size:
    """A network and its diet; `spacing` in mm is the finest grid that it works on.

    `level` of noise is added to a scan, and taken away in `restore` steps. A network of short
    training adds errors with each step: it is best asked once, from much noise, for the mean of
    what the scan may have been.
    """

    spacing: float
    channels: tuple[int, ...]
    blocks: int
    groups: int
    steps: int
    batch: int
    level: int = 400
    restore: int = 1

    @property
    def stride(self) -> int:
        """By how much the network shrinks each side."""
        return int(2 ** (len(self.channels) - 1))


SIZES: Mapping[str, Size] = {
    "small": Size(4.0, (16, 32, 64), blocks=1, groups=8, steps=130, batch=2),
    "large": Size(
        1.0, (32, 64, 128, 256), blocks=2, groups=16, steps=6000, batch=4, level=250, restore=5
    ),
}


def size_for(size: SizeName | Size, device: str) -> Size:
    """A size by name; "auto" is large on a graphics card and small elsewhere.

    Raises:
        UsageProblem: there is no such size.
    """
    if isinstance(size, Size):
        return size
    if size == "auto":
        size = "large" if torch.device(device).type == "cuda" else "small"
    if size not in SIZES:
        raise UsageProblem(f"The size of diffusion is auto, {' or '.join(SIZES)}, not {size!r}.")
    return SIZES[size]


def size_from_facts(facts: Mapping[str, Any]) -> Size:
    """The size whose fields these are, perhaps read from JSON."""
    return Size(**{**facts, "channels": tuple(facts["channels"])})


def pooling_factor(size: Size, sample: Sample) -> int:
    """How many voxels along each side are averaged into one."""
    return max(1, round(size.spacing / sample.spacing))


NOISE_LEVELS = 1000


def build_network(size: Size) -> nn.Module:
    """A 3-D U-Net conditioned on the level of noise; attention in its lowest block only."""
    from monai.networks.nets.diffusion_model_unet import DiffusionModelUNet  # takes seconds

    return DiffusionModelUNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=1,
        num_res_blocks=size.blocks,
        channels=size.channels,
        attention_levels=[False] * len(size.channels),
        norm_num_groups=size.groups,
        num_head_channels=size.groups,
    )


def signal_variance(device: str) -> torch.Tensor:
    """Share of the variance of the scan at each level of noise (NOISE_LEVELS,).

    The linear schedule of Ho et al. 2020.
    """
    rates = torch.linspace(1e-4, 2e-2, NOISE_LEVELS, dtype=torch.float64)
    return torch.cumprod(1 - rates, 0).float().to(device)


def add_noise(x: torch.Tensor, noise: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """x with noise, both (n, 1, i, j, k), which keeps a share (n,) of the variance."""
    share = share.reshape(-1, 1, 1, 1, 1)
    return share.sqrt() * x + (1 - share).sqrt() * noise


def velocity(x: torch.Tensor, noise: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """What the network predicts: v of Salimans and Ho 2022, steady over all levels of noise."""
    share = share.reshape(-1, 1, 1, 1, 1)
    return share.sqrt() * noise - (1 - share).sqrt() * x


def partially_denoised(
    unet: nn.Module, x: torch.Tensor, noise: torch.Tensor, levels: Sequence[int]
) -> torch.Tensor:
    """x after noise of the first level, brought down through the levels without new noise.

    DDIM (Song et al. 2021, eta 0) on part of the noise; levels fall.
    """
    shares = signal_variance(str(x.device))
    now = add_noise(x, noise, shares[levels[0]].expand(len(x)))
    for level, following in zip(levels, [*levels[1:], None], strict=True):
        share = shares[level]
        predicted = predict(unet, now, level)
        clean = share.sqrt() * now - (1 - share).sqrt() * predicted
        if following is None:
            return clean
        remaining = share.sqrt() * predicted + (1 - share).sqrt() * now
        now = add_noise(clean, remaining, shares[following].expand(len(x)))
    raise ValueError("there must be a level of noise to start from")


def predict(unet: nn.Module, x: torch.Tensor, level: int) -> torch.Tensor:
    """The velocity of x (n, 1, i, j, k), all at one level of noise."""
    levels = torch.full((len(x),), level, device=x.device)
    return torch.as_tensor(unet(x, levels)).float()


def noise_levels_down(start: int, steps: int) -> list[int]:
    """`steps` levels of noise, evenly from `start` down, without zero."""
    return [round(start * (steps - n) / steps) for n in range(steps)]
