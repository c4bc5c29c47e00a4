"""The peak memory of judging some scans, in a process of its own: run by benchmarks.gate.

python -m benchmarks.memory PROFILE DATA COUNT
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

from benchmarks.trial import Judge
from pytest_safegen import ScanRef
from pytest_safegen.api import discover

KIB_A_MIB = 1024


def peak_mib(profile: Path, data: Path, count: int) -> float:
    """The peak resident memory of a fresh process that judges `count` scans."""
    command = [sys.executable, "-m", "benchmarks.memory", str(profile), str(data), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def several(refs: Sequence[ScanRef], count: int) -> list[ScanRef]:
    """So many different targets, over again with other names where there are fewer."""
    chosen = islice(cycle(refs), count)
    return [replace(ref, target=f"{n}/{ref.target}") for n, ref in enumerate(chosen)]


def own_peak_mib() -> float:
    """The peak resident memory of this process.

    Not from getrusage where /proc is there: on Linux its figure starts at the parent's memory.
    """
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_A_MIB
    line = next(
        line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / KIB_A_MIB


def main() -> None:
    """Judge, and print the peak memory in MiB."""
    profile, data, count = sys.argv[1:]
    refs = several(discover(Path(data)).refs, int(count))
    with Judge.loaded(Path(profile)) as judge:
        for ref in refs:
            judge.findings(ref)
    print(own_peak_mib())


if __name__ == "__main__":
    main()
