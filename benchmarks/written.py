"""Results are written under a temporary name first, so that a stopped run leaves no half a file."""

from __future__ import annotations

from pathlib import Path


def write(path: Path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
