"""The training loop of all networks of the anomaly check."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from safegen_detectors.anomaly.device import (
    autocast,
    halving,
    learns_in_short_format,
    placed,
    scaler,
)

Loss = Callable[[int, torch.Generator], torch.Tensor]
"""The loss of a batch of that many volumes, drawn with the generator (which is on the CPU)."""

WARM_UP = 0.1  # share of the steps in which the learning rate rises
LARGEST_GRADIENT = 1.0


@dataclass(frozen=True, slots=True)
class Budget:
    """How long to train.

    The number of steps rules. `seconds` is a limit for slow machines, and with it the result
    depends on the machine; None for no limit.
    """

    steps: int
    batch: int
    rate: float = 1e-3
    seconds: float | None = None


def train(
    module: nn.Module, loss: Loss, budget: Budget, *, seed: int, device: str, shortest: int = 1
) -> int:
    """Fit the module by AdamW with one cycle of the learning rate; the steps that were done.

    `shortest`, in voxels, is the shortest side of any volume within the module: on processors it
    decides whether the short number format, twice as fast, can be used.
    """
    placed(module, device).train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=budget.rate, weight_decay=1e-4)
    cycle = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: _rate(n, budget.steps))
    random = torch.Generator().manual_seed(seed)
    short = learns_in_short_format(device, shortest)
    gradients, size, start = scaler(device), budget.batch, time.monotonic()
    for step in range(budget.steps):
        if budget.seconds is not None and time.monotonic() - start > budget.seconds:
            return step

        def backward(n: int) -> None:
            optimizer.zero_grad(set_to_none=True)
            with autocast(device) if short else nullcontext():
                value = loss(n, random)
            gradients.scale(value).backward()  # type: ignore[no-untyped-call]

        _, size = halving(backward, size)
        gradients.unscale_(optimizer)
        nn.utils.clip_grad_norm_(module.parameters(), LARGEST_GRADIENT)
        gradients.step(optimizer)
        gradients.update()
        cycle.step()
    return budget.steps


def draw(count: int, n: int, random: torch.Generator) -> list[int]:
    """`n` indices below `count`, each as likely as the others."""
    return [int(index) for index in torch.randint(count, (n,), generator=random)]


def _rate(step: int, steps: int) -> float:
    """One cycle: a linear rise, then half a cosine down to nearly nothing."""
    done = (step + 1) / max(steps, 1)
    if done < WARM_UP:
        return done / WARM_UP
    fall = (done - WARM_UP) / (1 - WARM_UP)
    return 0.5 + 0.5 * float(torch.cos(torch.tensor(torch.pi * min(fall, 0.99))))
