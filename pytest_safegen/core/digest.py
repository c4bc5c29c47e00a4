"""The content digest: it changes with any byte of a scan or its mask, and with what is stated."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from pytest_safegen.core.scan import ScanRef

DIGEST_BYTES = 16
FILES_REMEMBERED = 1 << 20
SETTLED_NS = 2_000_000_000
"""A file that changed more recently may change again without another time of change."""

HEADER_BYTES = 1 << 16
HEADER_SUFFIXES = (".mhd", ".mha", ".nhdr", ".nrrd")
DATA_FILE = re.compile(r"^\s*(?:ElementDataFile|data ?file)\s*[=:]\s*(.*?)\s*$", re.M | re.I)


def content_digest(refs: Sequence[ScanRef]) -> str:
    """The digest of some scans: their files, their masks, and what is stated of them.

    Names and places of files do not count, so that a release may be moved. Empty where a file
    cannot be read.
    """
    total = hashlib.blake2b(digest_size=DIGEST_BYTES)
    try:
        for ref in refs:
            facts = [ref.session, ref.modality, ref.months, sorted(ref.labels.items())]
            total.update(json.dumps(facts).encode())
            for path in (ref.path, *([ref.mask] if ref.mask else [])):
                files = list(files_of(path))
                total.update(len(files).to_bytes(8, "little"))
                for file in files:
                    total.update(file_digest(file))
    except OSError:
        return ""
    return total.hexdigest()


def files_of(path: Path) -> Iterator[Path]:
    """The files that make up a scan.

    All files of a folder, in the order of their names; or the file itself, with the one that its
    header names for the voxels.
    """
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
        return
    yield path
    if path.suffix.lower() in HEADER_SUFFIXES:
        yield from _detached_files(path)


def file_digest(path: Path) -> bytes:
    """The digest of a file's bytes; a file that did not change is not read again.

    Raises:
        OSError: the file cannot be read.
    """
    found = path.stat()
    if time.time_ns() - found.st_mtime_ns < SETTLED_NS:
        return _hash(path)
    version = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    return _hash_of_version(path, version)


@lru_cache(FILES_REMEMBERED)
def _hash_of_version(path: Path, _version: tuple[int, ...]) -> bytes:
    return _hash(path)


def _hash(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").digest()


def _detached_files(header: Path) -> Iterator[Path]:
    """The files beside a MetaImage or NRRD header that it names for its voxels.

    The readers take one file in the same folder and refuse all else; whatever looks like such a
    name is taken here, so that nothing that they read is left out.
    """
    with header.open("rb") as stream:
        text = stream.read(HEADER_BYTES).decode("latin-1").replace("\r", "\n")
    for name in dict.fromkeys(DATA_FILE.findall(text)):
        plain = name.encode("latin-1").decode("utf-8", "replace")
        if plain and "\0" not in plain and Path(plain).name == plain:
            data = header.parent / plain
            if data.is_file():
                yield data
