"""The cache of fitted profiles: a file a digest, the most recently used ones kept."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from pytest_safegen.core.atomic_io import write_text
from pytest_safegen.profiles.io import is_profile

MOST_PROFILES = 10

IN_USE_SECONDS = 3600.0

_NAME = re.compile(r"[0-9a-f]{32}\.safegen")


@dataclass(frozen=True, slots=True)
class ProfileCache:
    """The profiles in one folder, each named after the digest of what it depends on."""

    folder: Path

    def path(self, digest: str) -> Path:
        """The file of a profile, whether it is there or not."""
        return self.folder / f"{digest}.safegen"

    def mark_used(self, path: Path) -> None:
        """Note that a profile is in use now; files outside the cache are left alone."""
        if path.parent == self.folder:
            try:
                os.utime(path)
            except OSError:  # a cache that cannot be written to can still be read
                return

    def ignore_in_git(self) -> None:
        """Keep the cache, which is derived from real patients, out of the repository."""
        write_text(self.folder.parent / ".gitignore", "*\n")

    def prune(self) -> None:
        """Remove all but the `MOST_PROFILES` profiles used last.

        A profile used in the past hour is kept, since another run may be reading it. Files that
        are not profiles of the cache are never removed.
        """
        used = {path: time_ for path in self._profiles() if (time_ := _last_use(path)) is not None}
        by_use = sorted(used, key=lambda path: used[path], reverse=True)
        for path in by_use[MOST_PROFILES:]:
            if used[path] < time.time() - IN_USE_SECONDS and is_profile(path):
                _remove(path)

    def _profiles(self) -> list[Path]:
        try:
            found = list(self.folder.iterdir())
        except OSError:  # another run removed it
            return []
        return [
            path
            for path in found
            if _NAME.fullmatch(path.name) and path.is_file() and not path.is_symlink()
        ]


def _last_use(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:  # another run removed it
        return None


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # open in another process, or not ours: the next fit tries again
        return
