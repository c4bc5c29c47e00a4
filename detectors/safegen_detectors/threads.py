"""Many samples side by side, each on one thread, in a process that is left as it was.

torch's own threads wait for each other by spinning: on cores that anything else uses, two threads
of one operation take up to fifty times as long as one. So each operation keeps to one thread, and
samples (or folds) are worked on side by side. It also makes sums come out the same every time.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

MMAP_THRESHOLD, TRIM_THRESHOLD, ARENA_MAX = -3, -1, -8  # of mallopt(3), in bytes, bytes, arenas

HOLD_FREED_MEMORY: Mapping[int, int] = {
    MMAP_THRESHOLD: 1 << 30,
    TRIM_THRESHOLD: (1 << 31) - 1,
    ARENA_MAX: 1,  # one arena for all threads, since only the first can grow beyond 64 MB
}
GLIBC_DEFAULTS: Mapping[int, int] = {
    MMAP_THRESHOLD: 32 << 20,
    TRIM_THRESHOLD: 64 << 20,
    ARENA_MAX: 0,
}
"""No limit to arenas, and the thresholds that glibc itself arrives at when large arrays are freed;
it has no call that tells the settings in force."""

ALLOCATOR_VARIABLES = (
    "GLIBC_TUNABLES",
    "MALLOC_ARENA_MAX",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TRIM_THRESHOLD_",
)
"""With one of these in the environment, the allocator is the user's and is left alone."""


def resolved(device: str) -> str:
    """The device that "auto" means: a GPU where there is one."""
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Inside, every operation of torch on a processor keeps to one thread, and freed memory is
    held; afterwards both are as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _freed_memory_held():
            yield
    finally:
        torch.set_num_threads(before)


def side_by_side(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`work` of all items in order, on as many threads as the machine has cores."""
    cores = min(os.cpu_count() or 1, len(items))
    if cores < 2:
        return [work(item) for item in items]
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as threads:
            return list(threads.map(work, items))
    finally:
        torch.set_num_threads(before)  # the last number set is the one that new threads start with


def give_back_memory() -> None:
    """Return what glibc holds of freed memory to the system, between two steps of a long work."""
    trim = _glibc("malloc_trim")
    if trim is not None:
        trim(0)


@contextmanager
def _freed_memory_held() -> Iterator[None]:
    """Inside, glibc hands out freed memory again instead of giving it back to the system.

    Maps of 30 MB are made and dropped all the time, and by default each of them is fresh memory
    that the system must clear first: without this, a fit takes half as long again.
    """
    set_option = _mallopt()
    if set_option is None or any(name in os.environ for name in ALLOCATOR_VARIABLES):
        yield
        return
    for parameter, value in HOLD_FREED_MEMORY.items():
        set_option(parameter, value)
    try:
        yield
    finally:
        for parameter, value in GLIBC_DEFAULTS.items():
            set_option(parameter, value)


def _mallopt() -> Callable[[int, int], object] | None:
    return _glibc("mallopt")


def _glibc(name: str) -> Callable[..., object] | None:
    """A function of the C library; None where it is not glibc."""
    if not sys.platform.startswith("linux"):
        return None
    function: Callable[..., object] | None = getattr(ctypes.CDLL(None), name, None)
    return function
