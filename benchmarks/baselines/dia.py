"""Dissolving is amplifying: contrast a scan with itself after a diffusion model dissolved it.

Shi, Tian, Li, Chen et al., "Dissolving is amplifying: towards fine-grained anomaly detection"
(DIA), ECCV 2024. The idea in small and in 3-D: the network removes noise from a scan that has
none, which dissolves details that it does not know; an encoder learns by contrast to tell scans
from dissolved ones, and the score is how different the two look to it.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from benchmarks.baselines import thor
from benchmarks.baselines.common import Lesson, NetworkBaseline
from safegen_detectors.anomaly.methods.diffusion.denoiser import Frame
from safegen_detectors.anomaly.methods.diffusion.network import predict, signal_variance
from safegen_detectors.anomaly.methods.training import channels_last

LEVEL = 100
TEMPERATURE = 0.2
WIDTHS = (16, 32)


def dia(*, steps: int = 240, batch: int = 2) -> NetworkBaseline:
    """The baseline; `steps` for the diffusion model and for the encoder."""
    return NetworkBaseline("dia", _build, _learn, _look, steps, batch)


def _build() -> nn.Module:
    encoder = nn.Sequential(
        nn.Conv3d(1, WIDTHS[0], 3, padding=1),
        nn.LeakyReLU(),
        nn.Conv3d(WIDTHS[0], WIDTHS[1], 3, stride=2, padding=1),
        nn.LeakyReLU(),
        nn.Conv3d(WIDTHS[1], WIDTHS[1], 3, padding=1),
    )
    return nn.ModuleList([thor.build(), encoder])


def _learn(module: nn.Module, lesson: Lesson) -> None:
    diffusion, encoder = module.children()
    thor.learn(diffusion, lesson)
    diffusion.eval()

    def loss(n: int, random: torch.Generator) -> torch.Tensor:
        x = thor.centred(lesson.batch(max(n, 2), random))
        dissolved = _dissolved(diffusion, x)
        codes = [_code(encoder(channels_last(one))) for one in (x, x * 0.95 + 0.02, dissolved)]
        own = (codes[0] * codes[1]).sum(1, keepdim=True)
        others = codes[0] @ codes[2].T
        logits = torch.cat([own, others], 1) / TEMPERATURE
        return functional.cross_entropy(logits, torch.zeros(len(x), dtype=torch.long).to(x.device))

    lesson.teach(encoder, loss)


def _look(module: nn.Module, x: torch.Tensor, frame: Frame) -> torch.Tensor:  # noqa: ARG001
    diffusion, encoder = module.children()
    x = thor.centred(x)
    one, other = encoder(x), encoder(_dissolved(diffusion, x))
    contrast = 1 - functional.cosine_similarity(one.float(), other.float(), dim=1)[:, None]
    full = functional.interpolate(contrast.clamp_min(0), size=x.shape[2:], mode="trilinear")
    return full[0, 0]


def _dissolved(diffusion: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """What the network takes for the clean scan, told that x is noisy."""
    share = signal_variance(str(x.device))[LEVEL]
    with torch.no_grad():
        return share.sqrt() * x - (1 - share).sqrt() * predict(diffusion, x, LEVEL)


def _code(features: torch.Tensor) -> torch.Tensor:
    """One vector of unit length a scan, from the mean and the spread of its features."""
    flat = features.float().flatten(2)
    return functional.normalize(torch.cat([flat.mean(2), flat.std(2)], 1), dim=1)
