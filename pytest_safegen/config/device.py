"""Which PyTorch device computes."""

from __future__ import annotations

from collections.abc import Callable

from pytest_safegen.core.errors import UsageProblem


def resolve_device(asked: str) -> str:
    """The PyTorch device to use; for "auto" the best one of this machine.

    Raises:
        UsageProblem: a device that this machine does not have.
    """
    if asked == "cpu":
        return "cpu"
    import torch

    available: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
    }
    if asked == "auto":
        return next((name for name, found in available.items() if found()), "cpu")
    if not available[asked]():
        raise UsageProblem(
            f"{asked.upper()} was requested, but PyTorch finds no {asked.upper()} device. "
            "Use --safegen-device=auto or cpu."
        )
    return asked
