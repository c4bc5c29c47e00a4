"""Two models of the training patients: an autoencoder, and a generator that knows some by heart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from benchmarks.scans import Volume, contrast, with_voxels
from pytest_safegen import Scan

CROP, STEPS, BATCH = 32, 60, 4
LATENTS = ((2, 8), (4, 16), (4, 4))  # (downsampling, channels) for each strength
MEMORIZED = 8
JITTER = 0.3  # of the spread of the codes, when the generator is sampled


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
    """Samples of a generator that knows a few volumes by heart, one near each of them.

    A linear generator: principal components of the volumes, as many as there are (Tipping and
    Bishop 1999), sampled around the codes of the volumes themselves.
    """
    known = np.stack([volume.ravel() for volume in volumes[:MEMORIZED]])
    mean = known.mean(0)
    codes, sizes, components = np.linalg.svd(known - mean, full_matrices=False)
    codes = codes * sizes
    random = np.random.default_rng(seed)
    near = codes + JITTER * codes.std(0) * random.standard_normal(codes.shape)
    return [
        np.asarray(one.reshape(volumes[0].shape), dtype=np.float32)
        for one in mean + near @ components
    ]


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
