"""Many writers at once, and writers that are killed: no run is lost, none is half there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_safegen.results.history import History, open_history

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
PROCESSES, THREADS, RUNS, FINDINGS = 2, 20, 20, 50
KILLS = 6


def start(store: str, threads: int, runs: int) -> subprocess.Popen[str]:
    """A process that writes runs; it prints the id of each when that is kept."""
    command = [sys.executable, str(HERE / "writer.py"), store, *map(str, (threads, runs, FINDINGS))]
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def findings_per_run(history: History) -> dict[str, int]:
    """How many findings each run in a store has."""
    return {e.run.id: len(history.load(e).findings) for e in history.entries()}


def test_two_processes_with_twenty_threads_lose_no_run(store: str) -> None:
    processes = [start(store, THREADS, RUNS) for _ in range(PROCESSES)]
    printed = [process.communicate(timeout=200)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    expected = {run for runs in printed for run in runs}
    assert len(expected) == PROCESSES * RUNS
    assert findings_per_run(open_history(store)) == dict.fromkeys(expected, FINDINGS)


@pytest.mark.parametrize("seed", [1])
def test_a_killed_writer_leaves_whole_runs_only(store: str, seed: int) -> None:
    moments = random.Random(seed)  # noqa: S311  no secret in it
    open_history(store)
    reported: set[str] = set()
    for _ in range(KILLS):
        process = start(store, 4, 10_000)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(moments.randint(1, 4))]
        try:  # then some unforeseeable time later, in the middle of something
            process.wait(timeout=moments.uniform(0.0, 0.05))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        lines += process.communicate()[0].splitlines()
        reported |= {line.strip() for line in lines if len(line.strip()) == 32}
    found = findings_per_run(open_history(store))
    assert reported <= set(found)
    assert set(found.values()) == {FINDINGS}
