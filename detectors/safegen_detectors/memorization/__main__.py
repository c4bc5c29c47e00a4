"""`python -m safegen_detectors.memorization RELEASE [OTHER] --profile FILE`: find duplicates.

Within one release (mode collapse), or between two. The exit code is 1 if there are any, 4 if
something cannot be read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_safegen import NotJudged, Profile, Release, SafegenError, ScanTarget, UsageProblem
from pytest_safegen.discover import discover
from pytest_safegen.prepare import Template, align, canonical
from pytest_safegen.profiles import load
from pytest_safegen.readers import read
from safegen_detectors.memorization import MemorizationDetector
from safegen_detectors.memorization.duplicates import duplicates


@dataclass(frozen=True, slots=True)
class Prepares:
    """The scans of a release, read and prepared anew each time they are iterated."""

    release: Release
    template: Template

    def __iter__(self) -> Iterator[ScanTarget]:
        for ref in self.release.refs:
            scan = read(ref)
            own = canonical(scan, self.template.options)
            yield ScanTarget(ref, scan, align(own, self.template), own)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the duplicates, a line each; the exit code."""
    asked = _arguments(arguments)
    try:
        template, profile = _known(asked.profile)
        first, *rest = [Prepares(discover(path.absolute()), template) for path in asked.releases]
        found = duplicates(first, profile, other=rest[0] if rest else None)
    except (SafegenError, NotJudged) as problem:
        print(f"safegen: {problem}", file=sys.stderr)
        return 4
    for one in found:
        print(f"{' = '.join(one.subjects)}: {one.says}")
    print(f"{len(found)} duplicates")
    return 1 if found else 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m safegen_detectors.memorization", description=__doc__
    )
    parser.add_argument("releases", type=Path, nargs="+", metavar="RELEASE", help="one or two")
    parser.add_argument("--profile", type=Path, required=True, help="made by `safegen fit`")
    asked = parser.parse_args(arguments)
    if len(asked.releases) > 2:
        parser.error("name one release, or two")
    return asked


def _known(path: Path) -> tuple[Template, Profile]:
    """Template and profile of the only modality.

    Raises:
        UsageProblem: there are several modalities, or none with this check.
    """
    bundles = load(path, {"memorization": MemorizationDetector()}).bundles
    known = [b for b in bundles.values() if b.template and "memorization" in b.profiles]
    if len(known) != 1 or known[0].template is None:
        raise UsageProblem(
            f"{path.name} knows {len(known)} modalities for the check memorization; fit a profile "
            "from scans of one."
        )
    return known[0].template, known[0].profiles["memorization"]


if __name__ == "__main__":
    sys.exit(main())
