"""Reversing the abnormal: mask what an autoencoder cannot restore, and paint it in anew.

Bercea, Wiestler, Rueckert and Schnabel, "Reversing the abnormal: pseudo-healthy generative
networks for anomaly detection" (PHANES), MICCAI 2023. The idea in small and in 3-D: no adversary
and no perceptual network.
"""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.baselines.common import Lesson, NetworkBaseline, box_mask, unet
from safegen_detectors.anomaly.methods.diffusion.denoiser import Frame
from safegen_detectors.anomaly.methods.training import channels_last
from safegen_detectors.anomaly.reference.features import box_mean

MASKED = 0.95  # quantile of the residual from which a voxel is painted anew
NARROW, WIDE = 0.1, 0.35


def phanes(*, steps: int = 300, batch: int = 2) -> NetworkBaseline:
    """The baseline; `steps` for each of its two networks."""
    return NetworkBaseline("phanes", _build, _learn, _look, steps, batch)


def _build() -> nn.Module:
    return nn.ModuleList([_narrow(), unet(channels=2)])


def _narrow() -> nn.Module:
    """An autoencoder without short cuts, three levels deep."""
    from monai.networks.nets.autoencoder import AutoEncoder  # takes seconds to import

    widths, strides = (16, 32, 16), (2, 2, 1)
    return AutoEncoder(3, 1, 1, widths, strides, norm=None, act="LEAKYRELU")


def _learn(module: nn.Module, lesson: Lesson) -> None:
    narrow, painter = module.children()
    weight = lesson.frame.weight()

    def restore(n: int, random: torch.Generator) -> torch.Tensor:
        truth = lesson.batch(n, random)
        return ((narrow(channels_last(truth)).float() - truth).abs() * weight).mean()

    def paint(n: int, random: torch.Generator) -> torch.Tensor:
        truth = lesson.batch(n, random)
        boxes = [box_mask(truth.shape[2:], random, narrow=NARROW, wide=WIDE) for _ in range(2 * n)]
        mask = (torch.stack(boxes[:n]) | torch.stack(boxes[n:]))[:, None].float().to(truth.device)
        return ((_painted(painter, truth, mask) - truth).abs() * weight).mean()

    lesson.teach(narrow, restore)
    lesson.teach(painter, paint)


def _look(module: nn.Module, x: torch.Tensor, frame: Frame) -> torch.Tensor:
    narrow, painter = module.children()
    residual = box_mean((narrow(x).float() - x).abs(), 3)
    limit = residual[0, 0][frame.region()].quantile(MASKED)
    mask = (box_mean((residual > limit).float(), 3) > 0.3).float()
    return ((_painted(painter, x, mask) - x).abs() * residual.sqrt())[0, 0]


def _painted(painter: nn.Module, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    guess = painter(channels_last(torch.cat([x * (1 - mask), mask], 1))).float()
    return mask * guess + (1 - mask) * x
