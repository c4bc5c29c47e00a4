"""A small 3-D U-Net on standardized features, its inputs, and its logits."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from safegen_detectors.anomaly.methods.training import autocast, channels_last
from safegen_detectors.anomaly.reference.normalized import NormalizedSample

WIDTHS = (48, 64, 96)  # at a half, a quarter and an eighth; multiples of 16 are computed fastest
STRIDE = 2 ** len(WIDTHS)
SQUASHING_LIMIT = 6.0  # standard deviations; far departures must not drown near ones


class SegmentationNet(nn.Module):
    """(n, c, i, j, k) -> logits (n, i, j, k); sides are multiples of STRIDE.

    A U-Net that begins and ends with strides of two voxels: the features already hold what is fine,
    and at half resolution three times as many channels take half the time.

    Batch normalization, not instance normalization: a network that sees crops while it learns and
    whole scans afterwards must scale both alike.
    """

    def __init__(self, channels: int, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        first = widths[0]
        self.stem = nn.Sequential(
            _halved(channels, first), _conv(first, first), _conv(first, first)
        )
        self.down = nn.ModuleList(
            nn.Sequential(_halved(fine, coarse), _conv(coarse, coarse), _conv(coarse, coarse))
            for fine, coarse in pairs
        )
        self.doubled = nn.ModuleList(
            nn.ConvTranspose3d(coarse, fine, 2, stride=2, bias=False) for fine, coarse in pairs
        )
        self.up = nn.ModuleList(_conv(2 * fine, fine) for fine, _ in pairs)
        self.head = nn.ConvTranspose3d(first, 1, 2, stride=2)

    @property
    def finest(self) -> nn.Module:
        """The last layer with channels, at half resolution, which Grad-CAM explains."""
        return self.up[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # noqa: D102  described above
        levels = [self.stem(x)]
        for down in self.down:
            levels.append(down(levels[-1]))
        y = levels.pop()
        for doubled, up in zip(reversed(self.doubled), reversed(self.up), strict=True):
            y = up(torch.cat([levels.pop(), doubled(y)], 1))
        logits: torch.Tensor = self.head(y)[:, 0]
        return logits


def inputs_of(normalized: NormalizedSample) -> torch.Tensor:
    """The network's inputs for a sample, float32 (c, i, j, k)."""
    squashed = normalized.relative / normalized.relative.abs().div_(SQUASHING_LIMIT).add_(1)
    expected = normalized.expected
    return torch.cat([squashed, normalized.voxels[None], expected.place, expected.body[None]])


def logits_of(network: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """The logit of a fault at each voxel (i, j, k), of inputs (c, i, j, k)."""
    with torch.inference_mode(), autocast(str(inputs.device)):
        logits: torch.Tensor = network(channels_last(padded_to_stride(inputs)[None]))[0].float()
    i, j, k = inputs.shape[1:]
    return logits[:i, :j, :k].clone()


def padded_to_stride(maps: torch.Tensor) -> torch.Tensor:
    """Maps (c, i, j, k) with sides that the network can halve, their far borders repeated."""
    pad = [part for n in reversed(maps.shape[1:]) for part in (0, -n % STRIDE)]
    return functional.pad(maps[None], pad, mode="replicate")[0]


def _conv(channels: int, out: int) -> nn.Sequential:
    return _normalized(nn.Conv3d(channels, out, 3, padding=1, bias=False), out)


def _halved(channels: int, out: int) -> nn.Sequential:
    return _normalized(nn.Conv3d(channels, out, 2, stride=2, bias=False), out)


def _normalized(layer: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(layer, nn.BatchNorm3d(channels), nn.ReLU())
