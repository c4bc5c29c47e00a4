"""How networks run on a device: number format, memory layout, batches that fit, own randomness."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

import torch
from torch import nn

SHORTEST_SIDE = 3
GLOBAL_RANDOMNESS = Lock()  # guards what torch has only one of

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

    To learn on a processor is safe in it only under the condition of `learns_in_short_format`.
    """
    kind = low_precision(device)
    return torch.autocast(torch.device(device).type, kind, enabled=kind is not None)


def learns_in_short_format(device: str, shortest: int) -> bool:
    """Whether convolutions get right gradients there, down to volumes of that shortest side.

    On processors, torch 2.13 leaves part of the bfloat16 gradient of a 3x3x3 convolution's
    weights unset where a side is below 3 voxels: it is then random, even infinite.
    """
    return torch.device(device).type == "cuda" or shortest >= SHORTEST_SIDE


def scaler(device: str) -> torch.amp.GradScaler:
    """Keeps gradients in the range of float16; does nothing for other number formats."""
    enabled = low_precision(device) is torch.float16
    return torch.amp.GradScaler(torch.device(device).type, enabled=enabled)


def placed(module: Module, device: str) -> Module:
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
    with GLOBAL_RANDOMNESS, torch.random.fork_rng(devices=cards):
        torch.manual_seed(seed)
        yield


def halving(work: Callable[[int], Result], size: int) -> tuple[Result, int]:
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


def halving_batches(
    work: Callable[[Sequence[Item]], Result], items: Sequence[Item], size: int
) -> list[Result]:
    """`work` of all items, at most `size` at a time, fewer where GPU memory does not suffice."""
    results: list[Result] = []
    start = 0
    while start < len(items):
        begin, most = start, min(size, len(items) - start)
        result, size = halving(lambda n, b=begin: work(items[b : b + n]), most)  # type: ignore[misc]
        results.append(result)
        start += size
    return results
