"""The command `safegen duplicates`: the same patient twice in a release, or in two releases."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_safegen.api import NotJudged, Profile, ReadError, Release, ScanTarget, UsageProblem

if TYPE_CHECKING:
    from pytest_safegen.api import Template


def add_duplicates(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `safegen duplicates`; nothing heavy is imported until it is run."""
    command = commands.add_parser("duplicates", help="find patients who appear twice in a release")
    command.add_argument("release", type=Path, help="folder of synthetic scans")
    command.add_argument("other", type=Path, nargs="?", help="compare with this release instead")
    command.add_argument("--profile", type=Path, required=True, help="made by `safegen fit`")
    command.set_defaults(run=_run)


@dataclass(frozen=True, slots=True)
class PreparedRelease:
    """The scans of a release, read and prepared anew each time they are iterated.

    `problems` collects a sentence for each scan that cannot be read or prepared.
    """

    release: Release
    template: Template
    problems: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[ScanTarget]:
        from pytest_safegen.api import align, canonical, read_scan

        for ref in self.release.refs:
            try:
                scan = read_scan(ref)
                own = canonical(scan, self.template.options)
                yield ScanTarget(ref, scan, align(own, self.template), own)
            except (ReadError, NotJudged) as problem:
                self.problems[ref.target] = str(problem)


def _run(arguments: argparse.Namespace) -> int:
    """Print the duplicates, a line each; 1 if there are any, 4 if a scan could not be compared."""
    from pytest_safegen.api import discover
    from safegen_detectors.memorization.duplicates import find_duplicates

    template, profile = _template_and_profile(arguments.profile)
    folders = [arguments.release, *([arguments.other] if arguments.other else [])]
    releases = [PreparedRelease(discover(path.absolute()), template) for path in folders]
    try:
        duplicates = find_duplicates(
            releases[0], profile, other=releases[1] if arguments.other else None
        )
    except NotJudged as problem:
        raise UsageProblem(f"{arguments.release} cannot be compared: {problem}.") from problem
    for one in duplicates:
        print(f"{' = '.join(one.subjects)}: {one.message}")
    print(f"{len(duplicates)} duplicates")
    problems = {name: text for one in releases for name, text in one.problems.items()}
    for name, text in problems.items():
        print(f"not compared: {name}: {text}", file=sys.stderr)
    return 1 if duplicates else 4 if problems else 0


def _template_and_profile(path: Path) -> tuple[Template, Profile]:
    """Template and profile of the single modality.

    Raises:
        UsageProblem: there are several modalities, or none with this check.
    """
    from pytest_safegen.api import load_profiles
    from safegen_detectors.memorization import MemorizationDetector

    bundles = load_profiles(path, {"memorization": MemorizationDetector()}).bundles
    fitted = [b for b in bundles.values() if b.template and "memorization" in b.profiles]
    if len(fitted) != 1 or fitted[0].template is None:
        raise UsageProblem(
            f"{path.name} holds {len(fitted)} modalities for the check memorization; fit a profile "
            "to scans of one."
        )
    return fitted[0].template, fitted[0].profiles["memorization"]
