"""Workflow commands: at most ten, the gate's verdict first, then the worst findings."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_safegen.api import Finding, Run, Verdict

MOST = 10
LONGEST = 1000


def commands_of(run: Run) -> Iterator[str]:
    """The lines to print; GitHub drops what is beyond ten of a step, silently."""
    if not run.verdict.blocks:
        return
    yield command("error", f"safegen: {run.verdict}", "; ".join(run.reasons))
    for finding in worst_first(run)[: MOST - 1]:
        title = f"{finding.check}: {finding.verdict}"
        yield command("error", title, finding.reason, file=path_of(run, finding))


def worst_first(run: Run) -> list[Finding]:
    """The findings that block, those on the release first, then the furthest beyond a limit."""
    bad = [finding for finding in run.findings if finding.verdict.blocks]
    return sorted(bad, key=lambda f: (bool(f.target), -f.verdict.rank, -_strain(f), f.target))


def path_of(run: Run, finding: Finding) -> str:
    """The file of a finding's target, relative to where the gate ran if it lies there."""
    if not finding.target or not run.roots:
        return ""
    from pathlib import Path

    root = Path(run.roots[0])
    base = root.parent if len(run.roots) > 1 else root
    path = base / finding.target
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_posix()


def command(kind: str, title: str, message: str, *, file: str = "") -> str:
    """One workflow command, with the signs escaped that would end it."""
    properties = f"title={_property(title)}" + (f",file={_property(file)}" if file else "")
    return f"::{kind} {properties}::{_data(message[:LONGEST])}"


def _strain(finding: Finding) -> float:
    if finding.score is None or not finding.threshold:
        return 0.0
    return finding.score / finding.threshold


def _data(text: str) -> str:
    plain = text.encode("utf-8", "replace").decode()
    return plain.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def blocks(run: Run, fail_on: str) -> bool:
    """True if the last step must fail: `fail_on` is fail, warn or never."""
    if fail_on == "never":
        return False
    return run.verdict.blocks or (fail_on == "warn" and run.verdict is Verdict.WARN)
