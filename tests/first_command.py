"""The README's first command, as a newcomer runs it: first_command.py PYTHON, in an empty folder.

PYTHON has nothing but the package. Two phantoms are judged without real scans, so the gate must be
red, say so, and leave a report.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

MAKE = """
from pathlib import Path
from pytest_safegen.testing import write_cohort
write_cohort(Path("synthetic"), range(2))
"""


def main(python: str) -> int:
    """0 if the command judged both scans."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-c", MAKE], cwd=folder, check=True)
        command = [python, "-m", "pytest", "--safegen-data=./synthetic"]
        done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
        print(done.stdout, done.stderr, sep="\n")
        report = Path(folder, "safegen-report")
        written = [(report / name).is_file() for name in ("index.html", "gate.json")]
        return int(done.returncode != 1 or "2 scans" not in done.stdout or not all(written))


if __name__ == "__main__":
    sys.exit(main(str(Path(sys.argv[1]).absolute())))
