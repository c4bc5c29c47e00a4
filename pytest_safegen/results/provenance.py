"""Where a run comes from, and what two runs must share to be compared."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.config.settings import Settings
from pytest_safegen.core.code_digest import code_digest
from pytest_safegen.core.digest import content_digest
from pytest_safegen.core.scan import Release
from pytest_safegen.core.score import Rule
from pytest_safegen.judging.limits import rules_for
from pytest_safegen.profiles.digest import LIBRARIES, code_of
from pytest_safegen.profiles.model import ProfileSet

GIT_SECONDS = 20
COMMIT, NO_COMMIT = "# branch.oid ", "(initial)"
PREPARATION = (
    "pytest_safegen.core.scan",
    "pytest_safegen.data.table",
    "pytest_safegen.prepare",
    "pytest_safegen.readers",
)
"""The code between a file and a detector."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a run judged, and by what; as `Run` has these fields."""

    commit: str | None
    dirty: bool | None
    data_digest: str
    comparability: Mapping[str, str]
    directions: Mapping[str, Mapping[str, str]]


def provenance_of(
    settings: Settings,
    releases: Sequence[Release],
    detectors: Mapping[str, Detector],
    profiles: ProfileSet | None,
    device: str,
) -> Provenance:
    """The provenance of a run; it reads all data and asks git, so ask for it once."""
    commit, dirty = commit_of(settings.root)
    return Provenance(
        commit,
        dirty,
        data_digest(releases),
        comparability_of(settings, detectors, profiles, device),
        directions_of(settings, detectors),
    )


def commit_of(root: Path) -> tuple[str | None, bool | None]:
    """The commit of the project, and whether its files were changed since; None if unknown."""
    lines = (_git_status(root) or "").splitlines()
    commit = next((line.removeprefix(COMMIT) for line in lines if line.startswith(COMMIT)), "")
    if not commit or commit == NO_COMMIT:
        return os.environ.get("GITHUB_SHA") or None, None
    return commit, any(not line.startswith("#") for line in lines)


def data_digest(releases: Sequence[Release]) -> str:
    """The digest of the names and contents of all scans, in any order; empty without a scan."""
    lines = [f"{ref.target}\t{content_digest([ref])}" for one in releases for ref in one.refs]
    return _digest(sorted(lines)) if lines else ""


def comparability_of(
    settings: Settings,
    detectors: Mapping[str, Detector],
    profiles: ProfileSet | None,
    device: str,
) -> dict[str, str]:
    """What runs must share to be compared, by name.

    `device` is a torch device or "".
    """
    judged_by = [
        repr(sorted(settings.thresholds.items())),
        repr(sorted(settings.detectors.items())),
        limits_in_force(settings, detectors),
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


def limits_in_force(settings: Settings, detectors: Mapping[str, Detector]) -> str:
    """Every rule by check and measure as text, with limits that a file of the user's sets."""
    rules = {
        name: sorted(rules_for(name, one.rules, settings.thresholds).items())
        for name, one in detectors.items()
    }
    return repr(sorted(rules.items()))


def directions_of(
    settings: Settings, detectors: Mapping[str, Detector]
) -> dict[str, dict[str, str]]:
    """Per check and measure, the direction of worse by its limits; that of "score" is higher."""
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


def _git_status(root: Path) -> str | None:
    """Commit and changed files, as git prints them for programs; None without git."""
    options = ("--porcelain=v2", "--branch", "--untracked-files=no")
    try:
        done = subprocess.run(  # noqa: S603  fixed words, no shell
            ["git", "--no-optional-locks", "-C", str(root), "status", *options],  # noqa: S607  the user's own git
            capture_output=True,
            text=True,
            check=True,
            timeout=GIT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout
