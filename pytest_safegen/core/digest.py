"""The content digest: any other byte of a scan, its mask or its facts gives another one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_safegen.core.scan import ScanRef

DIGEST_BYTES = 16
CHUNK = 1 << 20


def content_digest(refs: Sequence[ScanRef]) -> str:
    """The digest of some scans: their files, their masks, and what is stated of them.

    Names and places of files do not count, so that a release may be moved. Empty where a file
    cannot be read.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    try:
        for ref in refs:
            facts = [ref.session, ref.modality, ref.months, sorted(ref.labels.items())]
            digest.update(json.dumps(facts).encode())
            for path in (ref.path, *([ref.mask] if ref.mask else [])):
                _add(path, digest)
    except OSError:
        return ""
    return digest.hexdigest()


def _add(path: Path, digest: hashlib.blake2b) -> None:
    for file in _files_of(path):
        with file.open("rb") as stream:
            length = file.stat().st_size
            digest.update(length.to_bytes(8, "little"))
            while chunk := stream.read(CHUNK):
                digest.update(chunk)


def _files_of(path: Path) -> Iterator[Path]:
    """The file itself, or the files of a DICOM series in the order of their names."""
    if not path.is_dir():
        yield path
        return
    yield from sorted(file for file in path.rglob("*") if file.is_file())
