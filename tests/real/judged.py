"""What one run of the gate said of some real scans."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Judged:
    """One run of the gate: its exit code, its words, and its report folder.

    `clean` are the targets of real scans that nobody touched; `copied` the patient whose scan
    was put into the release.
    """

    returncode: int
    output: str
    report: Path
    clean: tuple[str, ...]
    copied: str = ""

    @cached_property
    def findings(self) -> list[Mapping[str, Any]]:
        lines = (self.report / "results.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def finding(self, check: str, part: str) -> Mapping[str, Any]:
        """The finding of a check on the one target whose name contains `part`."""
        (found,) = (f for f in self.findings if f["check"] == check and part in f["target"])
        return found

    def failed(self) -> list[str]:
        """Clean scans with a check that did not let them through, and the reasons."""
        blocking = [f for f in self.findings if f["verdict"] not in ("PASS", "WARN")]
        reasons = {f["target"]: f"{f['target']}: {f['reason']}" for f in blocking}
        return [reasons[target] for target in self.clean if target in reasons]
