"""Ask a module for scores: as it would judge, and a few volumes at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def judging(score_of: nn.Module) -> Iterator[None]:
    """The module in evaluation mode, and each part of it as it was afterwards."""
    training = [part for part in score_of.modules() if part.training]
    score_of.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def scores(score_of: nn.Module, volumes: Iterable[torch.Tensor], *, batch: int) -> torch.Tensor:
    """The scores (n,) of volumes (c, i, j, k), which are made and held `batch` at a time."""
    found: list[torch.Tensor] = []
    waiting: list[torch.Tensor] = []
    with judging(score_of), torch.no_grad():
        for volume in volumes:
            waiting.append(volume)
            if len(waiting) == batch:
                found.append(score_of(torch.stack(waiting))[:, 0])
                waiting = []
        if waiting:
            found.append(score_of(torch.stack(waiting))[:, 0])
    return torch.cat(found)
