"""Many samples side by side, each on one thread.

torch's own threads wait for each other by spinning: on cores that anything else uses, two threads
of one operation take up to fifty times as long as one. So each operation keeps to one thread, and
samples (or folds) are worked on side by side. It also makes sums come out the same every time.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

# mallopt(3): M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_ARENA_MAX, one arena for all threads, since
# only the first can grow beyond 64 MB.
_ALLOCATOR = ((-3, 1 << 30), (-1, (1 << 31) - 1), (-8, 1))


def resolved(device: str) -> str:
    """The device that "auto" means: a GPU where there is one."""
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Inside, every operation of torch on a processor keeps to one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    _keep_freed_memory()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def side_by_side(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`work` of all items in order, on as many threads as the machine has cores."""
    cores = min(os.cpu_count() or 1, len(items))
    if cores < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(cores, initializer=_one_thread) as threads:
        return list(threads.map(work, items))


def _keep_freed_memory() -> None:
    """Let glibc hand out freed memory again instead of giving it back to the system.

    Maps of 30 MB are made and dropped all the time, and by default each of them is fresh memory
    that the system must clear first: without this, whitening takes two to four times as long.
    """
    if sys.platform.startswith("linux"):
        allocator = getattr(ctypes.CDLL(None), "mallopt", None)
        if allocator is None:
            return
        for parameter, value in _ALLOCATOR:
            allocator(parameter, value)


def give_back_memory() -> None:
    """Return what glibc keeps of freed memory to the system, between two steps of a long work."""
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _one_thread() -> None:
    """The number of threads is one of each Python thread, so each must be told."""
    torch.set_num_threads(1)
