"""Which PyTorch device computes."""

from __future__ import annotations

from collections.abc import Callable

from pytest_safegen.core.errors import UsageProblem


def resolve_device(requested: str) -> str:
    """The PyTorch device to use; for "auto" the best one of this machine.

    Raises:
        UsageProblem: a device that this machine does not have.
    """
    if requested == "cpu":
        return "cpu"
    import torch

    available: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
    }
    if requested == "auto":
        return next((name for name, found in available.items() if found()), "cpu")
    if not available[requested]():
        raise UsageProblem(
            f"{requested.upper()} was requested, but PyTorch finds no {requested.upper()} device. "
            "Use --safegen-device=auto or cpu."
        )
    return requested
