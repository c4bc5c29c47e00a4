"""Foreign patch interpolation: a U-Net tells how much of a patch comes from another patient.

Tan, Hou, Batten, Qiu and Kainz, "Detecting outliers with foreign patch interpolation", MELBA 2022
(arXiv 2011.04197; winner of MOOD 2020). Re-made from the paper, in 3-D.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from benchmarks.baselines.common import Lesson, NetworkBaseline, box_mask, unet
from safegen_detectors.anomaly.methods.diffusion.denoiser import Frame
from safegen_detectors.anomaly.methods.training import channels_last

LEAST, MOST = 0.05, 0.95  # share of the other patient
NARROW, WIDE = 0.1, 0.4  # sides of the patch


def fpi(*, steps: int = 400, batch: int = 2) -> NetworkBaseline:
    """The baseline."""
    return NetworkBaseline("fpi", unet, _learn, _look, steps, batch)


def _learn(module: nn.Module, lesson: Lesson) -> None:
    def loss(n: int, random: torch.Generator) -> torch.Tensor:
        own, other = lesson.batch(n, random), lesson.batch(n, random)
        share = torch.stack([_share(own.shape[2:], random) for _ in range(n)])[:, None]
        share = share.to(own.device)
        mixed = (1 - share) * own + share * other
        label = share * ((own - other).abs() > 1e-3)  # air for air is no change
        return functional.binary_cross_entropy_with_logits(
            module(channels_last(mixed)).float(), label
        )

    lesson.teach(module, loss)


def _share(shape: torch.Size, random: torch.Generator) -> torch.Tensor:
    alpha = LEAST + (MOST - LEAST) * float(torch.rand(1, generator=random))
    return alpha * box_mask(shape, random, narrow=NARROW, wide=WIDE).float()


def _look(module: nn.Module, x: torch.Tensor, frame: Frame) -> torch.Tensor:  # noqa: ARG001
    return torch.sigmoid(module(x).float())[0, 0]
