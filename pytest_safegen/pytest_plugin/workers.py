"""The main process and the workers of pytest-xdist."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest


class Workers:
    """Hooks that only the main process of a run with pytest-xdist has."""

    def __init__(self, collected: Callable[[Sequence[str]], None]) -> None:
        """`collected` takes the node ids that a worker collected."""
        self._collected = collected

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self, specs: Sequence[Any]) -> None:
        """Let the workers of this machine share its cores, from before they import anything.

        Libraries such as numpy and SimpleITK read these variables once, when they are loaded.
        """
        local = [spec for spec in specs if spec.popen]
        for spec in local:
            for name, value in thread_variables(len(local)).items():
                if name not in os.environ:
                    spec.env.setdefault(name, value)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Count what the workers collected."""
        self._collected(ids)


def thread_variables(workers: int) -> dict[str, str]:
    """Environment variables by which that many processes share the cores of a machine."""
    threads = max(1, (os.cpu_count() or 1) // workers)
    return {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
