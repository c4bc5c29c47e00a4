"""Where a run comes from, and what two runs must share to be compared."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.config.settings import Settings
from pytest_safegen.core.code_digest import code_digest
from pytest_safegen.core.digest import content_digest
from pytest_safegen.core.scan import Release
from pytest_safegen.core.score import Rule
from pytest_safegen.judging.limits import rules_for
from pytest_safegen.profiles.digest import LIBRARIES, code_of

GIT_SECONDS = 20
PREPARATION = (
    "pytest_safegen.core.scan",
    "pytest_safegen.data.table",
    "pytest_safegen.prepare",
    "pytest_safegen.readers",
)
"""What lies between a file and what a detector gets."""


def commit_of(root: Path) -> tuple[str | None, bool | None]:
    """The commit of the project, and whether its files were changed since; None if unknown."""
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return os.environ.get("GITHUB_SHA") or None, None
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    return commit.strip(), None if changes is None else bool(changes.strip())


def data_digest(releases: Sequence[Release]) -> str:
    """The digest of every scan's name and content, whatever the order; empty without a scan."""
    lines = [f"{ref.target}\t{content_digest([ref])}" for one in releases for ref in one.refs]
    return _digest(sorted(lines)) if lines else ""


def comparability_of(
    settings: Settings, detectors: Mapping[str, Detector], profiles: Any, device: str
) -> dict[str, str]:
    """What runs must share to be compared, by name.

    `profiles` is the profile set of the run or None, `device` a torch device or "".
    """
    judged_by = [
        repr(sorted(settings.thresholds.items())),
        repr(sorted(settings.detectors.items())),
    ]
    versions = {f"version of check {name}": str(one.version) for name, one in detectors.items()}
    code = {f"code of check {name}": code_of(one) for name, one in detectors.items()}
    return {
        "profile": profiles.digest if profiles else "none",
        "preprocessing": code_digest(PREPARATION, LIBRARIES),
        "limits and options": _digest(judged_by),
        "device class": (device or "cpu").partition(":")[0],
        **versions,
        **code,
    }


def directions_of(
    settings: Settings, detectors: Mapping[str, Detector]
) -> dict[str, dict[str, str]]:
    """Per check, where its limits say that worse lies, by measure; "score" is always higher."""
    found = {}
    for name, detector in detectors.items():
        rules = rules_for(name, detector.rules, settings.thresholds)
        found[name] = {measure: _direction(rule) for measure, rule in rules.items()}
        found[name]["score"] = "higher"
    return found


def _direction(rule: Rule) -> str:
    above = rule.fail_above is not None or rule.warn_above is not None
    below = rule.fail_below is not None or rule.warn_below is not None
    if above and below:
        return "either"
    return "lower" if below else "higher"


def _digest(texts: Iterable[str]) -> str:
    total = hashlib.blake2b(digest_size=16)
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        total.update(len(data).to_bytes(8, "little") + data)
    return total.hexdigest()


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603  fixed words, no shell
            ["git", "-C", str(root), *arguments],  # noqa: S607  the user's own git
            capture_output=True,
            text=True,
            check=True,
            timeout=GIT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout
