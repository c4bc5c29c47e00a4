"""A process that writes runs to a store from some threads: writer.py URL THREADS RUNS FINDINGS."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

from runs import run_of

from pytest_safegen.results.history import open_history


def main(url: str, threads: int, runs: int, findings: int) -> None:
    """Write, and print the id of each run once it is kept."""

    def write(_number: int) -> None:
        run = run_of([0.5] * findings)
        open_history(url).add(run)
        # One write, since print writes the end of a line apart, and lines of threads would mix.
        os.write(1, f"{run.id}\n".encode())

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(write, range(runs)))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
