"""The autoencoder: five residual levels down to a short code, and up again without short cuts.

A connection from encoder to decoder would hand faults through; what the code cannot hold is lost.
"""

from __future__ import annotations

from math import prod

import torch
from torch import nn

from safegen_detectors.anomaly.framing import Shape

GROUPS = 4
STRIDE = 2  # between the finest level, which is a shuffle of voxels, and the next


class Network(nn.Module):
    """Restores volumes (n, 1, i, j, k) of one shape, whose sides are multiples of STRIDE.

    Before any training it restores zeros.
    """

    def __init__(self, shape: Shape, *, channels: tuple[int, ...], latent: int) -> None:
        from monai.networks.blocks.upsample import SubpixelUpsample  # takes seconds to import

        super().__init__()
        sizes = [shape]
        for _ in channels:
            sizes.append(_halved(sizes[-1]))
        self.lowest = (channels[-1], *sizes[-1])
        self.encoder = nn.ModuleList(map(_down, (1, *channels), channels))
        self.to_code = nn.Linear(prod(self.lowest), latent)
        self.from_code = nn.Linear(latent, prod(self.lowest))
        self.decoder = nn.ModuleList(map(_up, channels[:0:-1], channels[-2::-1], sizes[-2:0:-1]))
        last = nn.Conv3d(channels[0], STRIDE**3, 3, padding=1)
        nn.init.zeros_(last.weight)
        self.output = SubpixelUpsample(3, channels[0], 1, scale_factor=STRIDE, conv_block=last)

    def levels(self, x: torch.Tensor) -> list[torch.Tensor]:
        """What the encoder makes of x at each level, finest first."""
        found: list[torch.Tensor] = []
        for level in self.encoder:
            found.append(level(found[-1] if found else x))
        return found

    def decode(self, lowest: torch.Tensor) -> torch.Tensor:
        """Volumes from the encoder's last level."""
        x = self.from_code(self.to_code(lowest.flatten(1))).reshape(-1, *self.lowest)
        for level in self.decoder:
            x = level(x)
        return torch.as_tensor(self.output(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The volumes as restored from their codes."""
        return self.decode(self.levels(x)[-1])


def _halved(shape: Shape) -> Shape:
    i, j, k = (-(-n // 2) for n in shape)
    return i, j, k


def _down(into: int, out: int) -> nn.Module:
    return _residual(into, out, strides=2)


def _up(into: int, out: int, size: Shape) -> nn.Module:
    return nn.Sequential(nn.Upsample(size=size), _residual(into, out, strides=1))


def _residual(into: int, out: int, *, strides: int) -> nn.Module:
    from monai.networks.blocks.convolutions import ResidualUnit

    norm = ("group", {"num_groups": GROUPS})
    return ResidualUnit(3, into, out, strides=strides, subunits=2, act="LEAKYRELU", norm=norm)
