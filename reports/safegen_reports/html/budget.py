"""How many bytes of pictures a report may have."""

from __future__ import annotations

import math


class Budget:
    """Counts what is spent; the target on which the limit is reached is still drawn."""

    def __init__(self, megabytes: float = math.inf) -> None:
        self._left = megabytes * 1e6

    @property
    def is_spent(self) -> bool:
        """True if nothing more may be drawn."""
        return self._left <= 0

    def pay(self, size: int) -> None:
        """Count some bytes."""
        self._left -= size
