"""A contrastive encoder as in Dar et al., Nature Biomedical Engineering 2025: small, re-made."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

STEPS, BATCH, WIDTH = 80, 16, 32
TEMPERATURE = 0.1
MOST_DEGREES = 10.0
PERCENT = 5  # of the published threshold


class Encoder(nn.Module):
    """Volumes (n, i, j, k) to unit vectors (n, 32)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((1, 16), (16, 32), (32, 64)):
            layers += [nn.Conv3d(before, after, 3, stride=2, padding=1), nn.GroupNorm(4, after)]
            layers += [nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool3d(3), nn.Flatten())
        self.head = nn.Linear(64 * 27, WIDTH)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """The embedding."""
        coarse = nn.functional.avg_pool3d(volumes[:, None], 2)
        return nn.functional.normalize(self.head(self.body(coarse)), dim=1)


def trained(reference: torch.Tensor, *, seed: int) -> Encoder:
    """An encoder that tells the reference volumes (n, i, j, k) from each other (NT-Xent)."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    encoder = Encoder()
    optimizer = torch.optim.Adam(encoder.parameters(), 1e-3)
    for _ in range(STEPS):
        chosen = random.permutation(len(reference))[:BATCH]
        batch = reference[torch.from_numpy(chosen)]
        one, other = encoder(_disturbed(batch, random)), encoder(_disturbed(batch, random))
        logits = one @ other.T / TEMPERATURE
        loss = nn.functional.cross_entropy(logits, torch.arange(len(batch)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return encoder.eval()


def published_limit(reference: torch.Tensor, validation: torch.Tensor) -> float:
    """Dar's threshold on embeddings: the 95th percentile over TRAINING scans of the highest
    similarity to a validation scan, which is then used the other way round."""
    return float(np.percentile((reference @ validation.T).amax(1).numpy(), 100 - PERCENT))


def _disturbed(batch: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """Flips, a turn of up to 10 degrees, gain and noise."""
    turns = torch.stack([_turn(random) for _ in batch])
    grid = nn.functional.affine_grid(turns, [len(batch), 1, *batch.shape[1:]], align_corners=False)
    moved = nn.functional.grid_sample(batch[:, None], grid, align_corners=False)[:, 0]
    gain = torch.from_numpy(random.uniform(0.8, 1.2, (len(batch), 1, 1, 1)).astype(np.float32))
    return gain * moved + 0.02 * torch.randn_like(moved)


def _turn(random: np.random.Generator) -> torch.Tensor:
    angle = np.radians(random.uniform(-MOST_DEGREES, MOST_DEGREES))
    i, j = random.permutation(3)[:2]
    turn = np.eye(3, 4)
    turn[i, i] = turn[j, j] = np.cos(angle)
    turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
    turn[:, 0] *= random.choice([-1, 1])
    return torch.from_numpy(turn.astype(np.float32))
