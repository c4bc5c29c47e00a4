"""Train and run networks: precision, memory layout, batch size, random state, training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

import torch
from torch import nn

SHORTEST_SIDE = 3
RNG_LOCK = Lock()  # guards what torch has only one of

Result = TypeVar("Result")
Item = TypeVar("Item")
Module = TypeVar("Module", bound=nn.Module)


def low_precision(device: str) -> torch.dtype | None:
    """The short number format in which a device is faster, None if there is none."""
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    # Without the instructions for bfloat16 a processor is slower in it than in float32.
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else None


def autocast(device: str) -> torch.autocast:
    """A context in which networks use the device's short number format, where it has one.

    To learn on a processor is safe in it only under the condition of `trains_in_low_precision`.
    """
    kind = low_precision(device)
    return torch.autocast(torch.device(device).type, kind, enabled=kind is not None)


def trains_in_low_precision(device: str, shortest: int) -> bool:
    """Whether convolutions get right gradients there, down to volumes of that shortest side.

    On processors, torch 2.13 leaves part of the bfloat16 gradient of a 3x3x3 convolution's
    weights unset where a side is below 3 voxels: it is then random, even infinite.
    """
    return torch.device(device).type == "cuda" or shortest >= SHORTEST_SIDE


def gradient_scaler(device: str) -> torch.amp.GradScaler:
    """Keeps gradients in the range of float16; does nothing for other number formats."""
    enabled = low_precision(device) is torch.float16
    return torch.amp.GradScaler(torch.device(device).type, enabled=enabled)


def to_device(module: Module, device: str) -> Module:
    """The module on a device, its weights with channels last (3 times faster on processors)."""
    moved = module.to(device)
    if all(weights.dim() != 5 for weights in moved.parameters()):
        return moved  # a network of slices, to which that memory format is unknown
    return moved.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload, no-any-return]


def channels_last(batch: torch.Tensor) -> torch.Tensor:
    """The same volumes (n, c, i, j, k), in memory with channels last."""
    return batch.contiguous(memory_format=torch.channels_last_3d)


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Inside, torch's global randomness starts from the seed; outside, it is as it was.

    One thread at a time, since the randomness is the whole process's: only make networks inside.
    """
    where = torch.device(device)
    cards = [where] if where.type == "cuda" else []
    with RNG_LOCK, torch.random.fork_rng(devices=cards):
        torch.manual_seed(seed)
        yield


def halve_until_it_fits(work: Callable[[int], Result], size: int) -> tuple[Result, int]:
    """`work(size)` and the size; after running out of GPU memory, with half the size, until 1."""
    while True:
        try:
            return work(size), size
        except torch.cuda.OutOfMemoryError:
            if size == 1:
                raise
        # Outside `except`, whose traceback would keep the tensors of the failed try alive.
        torch.cuda.empty_cache()
        size //= 2


def map_in_batches(
    work: Callable[[Sequence[Item]], Result], items: Sequence[Item], size: int
) -> list[Result]:
    """`work` of all items, at most `size` at a time, fewer where GPU memory does not suffice."""
    results: list[Result] = []
    start = 0
    while start < len(items):
        begin, most = start, min(size, len(items) - start)
        result, size = halve_until_it_fits(lambda n, b=begin: work(items[b : b + n]), most)  # type: ignore[misc]
        results.append(result)
        start += size
    return results


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
    to_device(module, device).train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=budget.rate, weight_decay=1e-4)
    cycle = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda n: _learning_rate_factor(n, budget.steps)
    )
    random = torch.Generator().manual_seed(seed)
    short = trains_in_low_precision(device, shortest)
    gradients, size, start = gradient_scaler(device), budget.batch, time.monotonic()
    for step in range(budget.steps):
        if budget.seconds is not None and time.monotonic() - start > budget.seconds:
            return step

        def backward(n: int) -> None:
            optimizer.zero_grad(set_to_none=True)
            with autocast(device) if short else nullcontext():
                value = loss(n, random)
            gradients.scale(value).backward()  # type: ignore[no-untyped-call]

        _, size = halve_until_it_fits(backward, size)
        gradients.unscale_(optimizer)
        nn.utils.clip_grad_norm_(module.parameters(), LARGEST_GRADIENT)
        gradients.step(optimizer)
        gradients.update()
        cycle.step()
    return budget.steps


def random_indices(count: int, n: int, random: torch.Generator) -> list[int]:
    """`n` indices below `count`, each as likely as the others."""
    return [int(index) for index in torch.randint(count, (n,), generator=random)]


def _learning_rate_factor(step: int, steps: int) -> float:
    """One cycle: a linear rise, then half a cosine down to nearly nothing."""
    done = (step + 1) / max(steps, 1)
    if done < WARM_UP:
        return done / WARM_UP
    fall = (done - WARM_UP) / (1 - WARM_UP)
    return 0.5 + 0.5 * float(torch.cos(torch.tensor(torch.pi * min(fall, 0.99))))
