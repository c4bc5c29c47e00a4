"""Names and files of the report: safe for any target, never half written."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from pathlib import Path

LONGEST_SLUG = 60


def slug(text: str) -> str:
    """The text's end in a-z, 0-9 and hyphens, at most 60 characters; may be empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^a-z0-9]+", "-", plain.lower())[-LONGEST_SLUG:].strip("-")


def page_stem(target: str) -> str:
    """A file name without ending for a target: a readable part, then 8 digits of its SHA-256."""
    digest = hashlib.sha256(target.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return "-".join(part for part in (slug(target), digest) if part)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    temporary.write_bytes(content)
    temporary.replace(path)


def write_text(path: Path, content: str) -> None:
    """As `write_bytes`, in UTF-8; what a file name holds beyond Unicode becomes "?"."""
    write_bytes(path, content.encode("utf-8", "replace"))
