"""Denoising autoencoder: a U-Net that removes coarse noise also removes what looks like it.

Kascenas, Pugeault and O'Neil, "Denoising autoencoders for unsupervised anomaly detection in brain
MRI", MIDL 2022. Re-made from the paper, in 3-D.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from benchmarks.baselines.common import Lesson, NetworkBaseline, unet
from safegen_detectors.anomaly.methods.diffusion.denoiser import Frame
from safegen_detectors.anomaly.methods.training import channels_last

COARSE, SPREAD = 16, 0.2  # cells of noise along each side, and its standard deviation


def dae(*, steps: int = 400, batch: int = 2) -> NetworkBaseline:
    """The baseline."""
    return NetworkBaseline("dae", unet, _learn, _look, steps, batch)


def _learn(module: nn.Module, lesson: Lesson) -> None:
    weight = lesson.frame.weight()

    def loss(n: int, random: torch.Generator) -> torch.Tensor:
        truth = lesson.batch(n, random)
        noisy = truth + _noise(truth, random) * (truth > 0)
        return ((module(channels_last(noisy)).float() - truth).square() * weight).mean()

    lesson.teach(module, loss)


def _noise(like: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    shape = [min(COARSE, n) for n in like.shape[2:]]
    cells = SPREAD * torch.randn(len(like), 1, *shape, generator=random)
    noise = functional.interpolate(cells, size=like.shape[2:], mode="trilinear")
    rolls = [int(n) for n in torch.randint(0, min(like.shape[2:]), (3,), generator=random)]
    return torch.roll(noise, rolls, (2, 3, 4)).to(like.device)


def _look(module: nn.Module, x: torch.Tensor, frame: Frame) -> torch.Tensor:  # noqa: ARG001
    return (module(x).float() - x).abs()[0, 0]
