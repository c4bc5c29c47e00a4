"""A small 3-D U-Net on standardized features, and what goes into it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from safegen_detectors.anomaly.device import autocast, channels_last
from safegen_detectors.anomaly.view import View

WIDTHS = (16, 32, 64, 64)  # multiples of 16, which processors compute as fast as less
STRIDE = 2 ** (len(WIDTHS) - 1)
SQUASHED = 6.0  # standard deviations; far departures must not drown near ones


class SegmentationNet(nn.Module):
    """(n, c, i, j, k) -> logits (n, i, j, k); sides are multiples of STRIDE.

    Batch normalization, not instance normalization: a network that sees crops while it learns and
    whole scans afterwards must scale both alike.
    """

    def __init__(self, channels: int, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.stem = nn.Sequential(_conv(channels, widths[0], kernel=1), _conv(widths[0], widths[0]))
        self.down = nn.ModuleList(
            nn.Sequential(_conv(fine, coarse, stride=2), _conv(coarse, coarse))
            for fine, coarse in pairs
        )
        self.narrow = nn.ModuleList(nn.Conv3d(coarse, fine, 1) for fine, coarse in pairs)
        self.up = nn.ModuleList(_conv(2 * fine, fine) for fine, _ in pairs)
        self.head = nn.Conv3d(widths[0], 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # noqa: D102  described above
        levels = [self.stem(x)]
        for down in self.down:
            levels.append(down(levels[-1]))
        y = levels.pop()
        for narrow, up in zip(reversed(self.narrow), reversed(self.up), strict=True):
            skip = levels.pop()
            y = functional.interpolate(narrow(y), size=skip.shape[2:], mode="trilinear")
            y = up(torch.cat([skip, y], 1))
        logits: torch.Tensor = self.head(y)[:, 0]
        return logits


def inputs_of(view: View) -> torch.Tensor:
    """What the network sees of a view, float32 (c, i, j, k)."""
    squashed = view.relative / (1 + view.relative.abs() / SQUASHED)
    usual = view.expected
    return torch.cat([squashed, view.voxels[None], usual.place, usual.body[None]])


def logits_of(network: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """The logit of a fault at each voxel (i, j, k), of inputs (c, i, j, k)."""
    with torch.inference_mode(), autocast(str(inputs.device)):
        logits: torch.Tensor = network(channels_last(padded(inputs)[None]))[0].float()
    i, j, k = inputs.shape[1:]
    return logits[:i, :j, :k].clone()


def padded(maps: torch.Tensor) -> torch.Tensor:
    """Maps (c, i, j, k) with sides that the network can halve, their far borders repeated."""
    pad = [part for n in reversed(maps.shape[1:]) for part in (0, -n % STRIDE)]
    return functional.pad(maps[None], pad, mode="replicate")[0]


def _conv(channels: int, out: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(channels, out, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm3d(out),
        nn.ReLU(),
    )
