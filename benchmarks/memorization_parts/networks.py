"""Two small networks fitted on the training patients: an autoencoder, and a generator that
memorizes because it is overfitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from benchmarks.scans import Volume, contrast, with_voxels
from pytest_safegen import Scan

CROP, STEPS, BATCH = 32, 60, 4
LATENTS = ((2, 8), (4, 16), (4, 4))  # (downsampling, channels) for each strength
MEMORIZED, CODE = 8, 32
GENERATOR_STEPS = 150
JITTER = 0.1  # of the spread of the codes, when the generator is sampled


def restorer(scans: Sequence[Scan], *, seed: int) -> Callable[[Scan, int], Scan]:
    """Round trips through three autoencoders, each tighter than the one before."""
    networks = [_autoencoder(scans, *latent, seed=seed) for latent in LATENTS]

    def restored(scan: Scan, strength: int) -> Scan:
        gain = contrast(scan)
        with torch.inference_mode():
            found = networks[strength](_even(torch.from_numpy(scan.voxels / gain))[None, None])
        i, j, k = scan.voxels.shape
        return with_voxels(scan, found[0, 0, :i, :j, :k].numpy() * gain)

    return restored


def memorized(volumes: Sequence[Volume], *, seed: int) -> list[Volume]:
    """Samples of a generator that was overfitted on a few volumes, one near each of them.

    Codes and decoder are learned together (generative latent optimisation, Bojanowski 2018).
    """
    torch.manual_seed(seed)
    goal = _even(torch.from_numpy(np.stack(volumes[:MEMORIZED])))[:, None]
    start = [n // 8 for n in goal.shape[2:]]
    decoder = _decoder(start)
    codes = nn.Parameter(torch.randn(len(goal), CODE))
    optimizer = torch.optim.Adam([*decoder.parameters(), codes], 3e-3)
    random = np.random.default_rng(seed)
    for _ in range(GENERATOR_STEPS):
        chosen = torch.from_numpy(random.permutation(len(goal))[:2])
        loss = (decoder(codes[chosen]) - goal[chosen]).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    shape = volumes[0].shape
    with torch.inference_mode():
        near = codes + JITTER * torch.randn_like(codes)
        drawn = [decoder(code[None])[0, 0].numpy() for code in near]
    return [one[: shape[0], : shape[1], : shape[2]] for one in drawn]


def _autoencoder(scans: Sequence[Scan], factor: int, channels: int, *, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    network = nn.Sequential(*_layers(factor, channels))
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(STEPS):
        drawn = random.integers(len(scans), size=BATCH)
        batch = torch.stack([_crop(scans[int(n)], random) for n in drawn])
        loss = (network(batch) - batch).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def _layers(factor: int, channels: int) -> list[nn.Module]:
    down: list[nn.Module] = [nn.Conv3d(1, 16, 3, stride=2, padding=1), nn.ReLU()]
    up: list[nn.Module] = [nn.Upsample(scale_factor=2), nn.Conv3d(16, 1, 3, padding=1)]
    if factor == 4:
        down += [nn.Conv3d(16, 16, 3, stride=2, padding=1), nn.ReLU()]
        up = [nn.Upsample(scale_factor=2), nn.Conv3d(16, 16, 3, padding=1), nn.ReLU(), *up]
    middle = [nn.Conv3d(16, channels, 1), nn.Conv3d(channels, 16, 3, padding=1), nn.ReLU()]
    return [*down, *middle, *up]


def _decoder(start: Sequence[int]) -> nn.Module:
    layers: list[nn.Module] = [nn.Linear(CODE, 32 * int(np.prod(start))), nn.ReLU()]
    layers += [nn.Unflatten(1, (32, *start))]
    for before, after in ((32, 24), (24, 16), (16, 8)):
        layers += [nn.Upsample(scale_factor=2), nn.Conv3d(before, after, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv3d(8, 1, 3, padding=1))


def _crop(scan: Scan, random: np.random.Generator) -> torch.Tensor:
    corner = [int(random.integers(max(n - CROP, 0) + 1)) for n in scan.voxels.shape]
    part = scan.voxels[tuple(slice(c, c + CROP) for c in corner)] / contrast(scan)
    full = np.zeros((CROP,) * 3, np.float32)
    full[tuple(slice(n) for n in part.shape)] = part
    return torch.from_numpy(full)[None]


def _even(volumes: torch.Tensor) -> torch.Tensor:
    """Padded at the ends to multiples of 8."""
    pads = [m for n in reversed(volumes.shape[-3:]) for m in (0, -n % 8)]
    return nn.functional.pad(volumes, pads)
