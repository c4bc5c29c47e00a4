"""The autoencoder, and the feature extractor that compares a scan with its reconstruction.

Five residual levels lead down to a short code and up again. There are no skip connections, which
would let faults pass; what the code cannot hold is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from pytest_safegen.api import UsageProblem
from safegen_detectors.anomaly.methods.framing import Shape
from safegen_detectors.anomaly.methods.weights import module_from_arrays, read_safetensors

GROUPS = 4
STRIDE = 2  # between the finest level, which is a shuffle of voxels, and the next


class AutoencoderNetwork(nn.Module):
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


def feature_distances(
    ones: Sequence[torch.Tensor], others: Sequence[torch.Tensor], region: torch.Tensor
) -> list[torch.Tensor]:
    """One distance a level between features (1, c, i, j, k), over the region (bool, i, j, k).

    Squared difference of features of unit length, as in LPIPS (Zhang et al. 2018), here with all
    channels of equal weight.
    """
    return [_feature_distance(one, other, region) for one, other in zip(ones, others, strict=True)]


def extractor_from_file(path: str | Path) -> nn.Module:
    """`resnet()` with weights of a .safetensors file.

    MedicalNet's weights (Chen et al. 2019) have this layout; the names may begin with "module.".

    Raises:
        UsageProblem: another kind of file, or weights of another network.
    """
    named = {k.removeprefix("module."): v.numpy() for k, v in read_safetensors(path).items()}
    arrays = {k: a for k, a in named.items() if not k.startswith(("fc.", "conv_seg."))}
    try:
        return module_from_arrays(resnet, arrays)
    except ValueError as error:
        raise UsageProblem(
            f"{path} does not hold the weights of a 3-D ResNet-10 for one channel"
        ) from error


def resnet() -> nn.Module:
    """MONAI's 3-D ResNet-10 for volumes of one channel, without its last layer."""
    from monai.networks.nets.resnet import resnet10  # takes seconds to import

    return resnet10(spatial_dims=3, n_input_channels=1, feed_forward=False, bias_downsample=False)


def resnet_levels(network: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """Features of x (1, 1, i, j, k) after the stem and after each of the four stages."""
    x = (x - x.mean()) / (x.std() + 1e-6)
    found = [network.act(network.bn1(network.conv1(x)))]  # type: ignore[operator]
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        found.append(stage(found[-1]))  # type: ignore[operator]
    return found


def _feature_distance(one: torch.Tensor, other: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    i, j, k = one.shape[2:]
    share = functional.adaptive_avg_pool3d(region.float()[None, None], (i, j, k))[0, 0]
    one, other = (functional.normalize(x.float(), dim=1, eps=1e-6) for x in (one, other))
    difference = (one - other).square().sum(1)[0]
    return (difference * share).sum() / share.sum()
