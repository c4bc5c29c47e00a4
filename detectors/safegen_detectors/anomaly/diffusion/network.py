"""MONAI's diffusion network, its noise schedule, and restoration from part of the noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from safegen_detectors.anomaly.diffusion.sizes import Size

LEVELS_OF_NOISE = 1000


def network(size: Size) -> nn.Module:
    """A 3-D U-Net that is told the level of noise; attention in its lowest block only."""
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


def kept(device: str) -> torch.Tensor:
    """Share of the variance of the scan at each level of noise (LEVELS_OF_NOISE,).

    The linear schedule of Ho et al. 2020.
    """
    rates = torch.linspace(1e-4, 2e-2, LEVELS_OF_NOISE, dtype=torch.float64)
    return torch.cumprod(1 - rates, 0).float().to(device)


def noisy(x: torch.Tensor, noise: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """x with noise, both (n, 1, i, j, k), of which a share (n,) of the variance is kept."""
    share = share.reshape(-1, 1, 1, 1, 1)
    return share.sqrt() * x + (1 - share).sqrt() * noise


def velocity(x: torch.Tensor, noise: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """What the network predicts: v of Salimans and Ho 2022, steady over all levels of noise."""
    share = share.reshape(-1, 1, 1, 1, 1)
    return share.sqrt() * noise - (1 - share).sqrt() * x


def restored(
    unet: nn.Module, x: torch.Tensor, noise: torch.Tensor, levels: Sequence[int]
) -> torch.Tensor:
    """x after noise of the first level, brought down through the levels without new noise.

    DDIM (Song et al. 2021, eta 0) on part of the noise; levels fall.
    """
    shares = kept(str(x.device))
    now = noisy(x, noise, shares[levels[0]].expand(len(x)))
    for level, following in zip(levels, [*levels[1:], None], strict=True):
        share = shares[level]
        predicted = predict(unet, now, level)
        clean = share.sqrt() * now - (1 - share).sqrt() * predicted
        if following is None:
            return clean
        remaining = share.sqrt() * predicted + (1 - share).sqrt() * now
        now = noisy(clean, remaining, shares[following].expand(len(x)))
    raise ValueError("there must be a level of noise to start from")


def predict(unet: nn.Module, x: torch.Tensor, level: int) -> torch.Tensor:
    """The velocity of x (n, 1, i, j, k), all at one level of noise."""
    levels = torch.full((len(x),), level, device=x.device)
    return torch.as_tensor(unet(x, levels)).float()


def levels_down(start: int, steps: int) -> list[int]:
    """`steps` levels of noise, evenly from `start` down, zero left out."""
    return [round(start * (steps - n) / steps) for n in range(steps)]
