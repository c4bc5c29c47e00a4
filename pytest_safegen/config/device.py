"""Which torch device computes."""

from __future__ import annotations

from collections.abc import Callable

from pytest_safegen.core.errors import UsageProblem


def resolve_device(asked: str) -> str:
    """The torch device to use: for "auto" the best there is.

    Raises:
        UsageProblem: a device was asked for that this machine does not have.
    """
    if asked == "cpu":
        return "cpu"
    import torch

    found: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
    }
    if asked == "auto":
        return next((name for name, there in found.items() if there()), "cpu")
    if not found[asked]():
        name = asked.upper()
        raise UsageProblem(
            f"{name} was requested, but PyTorch finds no {name} device. "
            "Use --safegen-device=auto or cpu."
        )
    return asked
