"""Diffusion that is held near the scan while it is undone: harmonisation at each step.

Bercea, Wiestler, Rueckert and Schnabel, "Diffusion models with implicit guidance for medical
anomaly detection" (THOR), MICCAI 2024. The idea in small and in 3-D: the map that holds the parts
without anomaly is made of intensities only.
"""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.baselines.common import Lesson, NetworkBaseline
from safegen_detectors.anomaly.methods.diffusion.denoiser import Frame, noise_like
from safegen_detectors.anomaly.methods.diffusion.network import (
    NOISE_LEVELS,
    SIZES,
    add_noise,
    build_network,
    noise_levels_down,
    predict,
    signal_variance,
    velocity,
)
from safegen_detectors.anomaly.methods.training import channels_last
from safegen_detectors.anomaly.reference.features import box_mean

LEVEL, STEPS = 350, 6
SEED = 0


def thor(*, steps: int = 240, batch: int = 2) -> NetworkBaseline:
    """The baseline."""
    return NetworkBaseline("thor", build, learn, _look, steps, batch)


def build() -> nn.Module:
    """The small diffusion network of the gate."""
    return build_network(SIZES["small"])


def learn(module: nn.Module, lesson: Lesson) -> None:
    """Train it to tell the noise in scans brought to -1..1."""
    shares, weight = signal_variance(lesson.frame.device), lesson.frame.weight()

    def loss(n: int, random: torch.Generator) -> torch.Tensor:
        x = centred(lesson.batch(n, random))
        levels = torch.randint(NOISE_LEVELS, (n,), generator=random).to(x.device)
        noise = torch.randn(x.shape, generator=random).to(x.device)
        seen = channels_last(add_noise(x, noise, shares[levels]))
        miss = module(seen, levels).float() - velocity(x, noise, shares[levels])
        return (miss.square() * weight).mean()

    lesson.teach(module, loss)


def centred(x: torch.Tensor) -> torch.Tensor:
    """Intensities about 0..1 as -1..1."""
    return 2 * x - 1


def _look(module: nn.Module, x: torch.Tensor, frame: Frame) -> torch.Tensor:
    x = centred(x)
    (noise,) = noise_like(x, 1, SEED)
    shares, levels = signal_variance(frame.device), noise_levels_down(LEVEL, STEPS)
    clean, now = x, add_noise(x, noise, shares[levels[0]].expand(1))
    for level, following in zip(levels, [*levels[1:], None], strict=True):
        share = shares[level]
        predicted = predict(module, now, level)
        clean = share.sqrt() * now - (1 - share).sqrt() * predicted
        remaining = share.sqrt() * predicted + (1 - share).sqrt() * now
        if following is not None:
            odd = _oddness(clean, x, frame)
            now = add_noise(odd * clean + (1 - odd) * x, remaining, shares[following].expand(1))
    return (clean - x).abs()[0, 0]


def _oddness(clean: torch.Tensor, x: torch.Tensor, frame: Frame) -> torch.Tensor:
    """0 where the scan is kept, 1 where it is drawn anew."""
    difference = box_mean((clean - x).abs(), 3)
    return (difference / difference[0, 0][frame.region()].quantile(0.98)).clamp(0, 1)
