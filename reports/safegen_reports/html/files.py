"""Names of the report's files: safe for any target."""

from __future__ import annotations

import hashlib
import re
import unicodedata

LONGEST_SLUG = 60


def slug(text: str) -> str:
    """The text's end in a-z, 0-9 and hyphens, at most 60 characters; may be empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^a-z0-9]+", "-", plain.lower())[-LONGEST_SLUG:].strip("-")


def page_stem(target: str) -> str:
    """A file name without ending for a target: a readable part, then 8 digits of its SHA-256."""
    digest = hashlib.sha256(target.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return "-".join(part for part in (slug(target), digest) if part)
