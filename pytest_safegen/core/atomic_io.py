"""Atomic writes: a file appears complete or not at all, even if the machine crashes."""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

SUFFIX_LENGTH = 40
PREFIX = "partial-"


@contextmanager
def atomic_path(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A temporary path to write to, which becomes `path` at the end; folders are created.

    It is in the same folder and has the same suffixes, by which libraries choose a format. No other
    writer uses it, on this host or on another that shares the folder. `durable` flushes file and
    folder to the disk, about 10 ms; leave it out for the many files that can be written again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(_temporary_name(path))
    try:
        yield temporary
        if durable:
            _flush(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _flush_folder(path.parent)


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file atomically; `durable` as of `atomic_path`."""
    with atomic_path(path, durable=durable) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write UTF-8 atomically; bytes of a file name that are not Unicode become "?"."""
    write_bytes(path, text.encode("utf-8", "replace"), durable=durable)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically.

    Raises:
        ValueError: a number that JSON has no form for (NaN, infinity).
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False, default=str) + "\n")


def _temporary_name(path: Path) -> str:
    host = re.sub(r"[^A-Za-z0-9-]", "", platform.node())[:20]
    suffix = "".join(path.suffixes[-2:])[-SUFFIX_LENGTH:]
    return f"{PREFIX}{host}-{os.getpid()}-{secrets.token_hex(8)}{suffix}"


def _flush(path: Path) -> None:
    with path.open("r+b") as stream:
        os.fsync(stream.fileno())


def _flush_folder(folder: Path) -> None:
    """Flush the renaming to the disk; Windows and some network disks cannot, and need not."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
