"""How differently a feature extractor sees a scan and its restoration, at several scales."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from pytest_safegen.api import UsageProblem
from safegen_detectors.anomaly.weights import read_safetensors, with_arrays


def distances(
    ones: Sequence[torch.Tensor], others: Sequence[torch.Tensor], region: torch.Tensor
) -> list[torch.Tensor]:
    """One distance a level between features (1, c, i, j, k), over the region (bool, i, j, k).

    Squared difference of features of unit length, as in LPIPS (Zhang et al. 2018), here with all
    channels of equal weight.
    """
    return [_distance(one, other, region) for one, other in zip(ones, others, strict=True)]


def extractor_of(path: str | Path) -> nn.Module:
    """`resnet()` with weights of a .safetensors file.

    MedicalNet's weights (Chen et al. 2019) have this layout; the names may begin with "module.".

    Raises:
        UsageProblem: another kind of file, or weights of another network.
    """
    named = {k.removeprefix("module."): v.numpy() for k, v in read_safetensors(path).items()}
    arrays = {k: a for k, a in named.items() if not k.startswith(("fc.", "conv_seg."))}
    try:
        return with_arrays(resnet, arrays)
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


def _distance(one: torch.Tensor, other: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    i, j, k = one.shape[2:]
    share = functional.adaptive_avg_pool3d(region.float()[None, None], (i, j, k))[0, 0]
    one, other = (functional.normalize(x.float(), dim=1, eps=1e-6) for x in (one, other))
    difference = (one - other).square().sum(1)[0]
    return (difference * share).sum() / share.sum()
