"""What the JSON file beside a scan says of it, as in BIDS.

Keys of BIDS itself are written in CamelCase and describe the scanner; keys of one's own, in lower
case with underscores (`pathology`, `treated`, `doubling_days`), become labels.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from pytest_safegen.names import stem

UNREAD = "sidecar_unread"
MOST_BYTES = 2**20
_OWN_KEY = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def labels_beside(scan: Path) -> dict[str, str]:
    """The labels in the JSON file that is called like the scan; empty where there is none.

    Where it is broken or larger than 1 MiB, the label `sidecar_unread` says so: what it states is
    then not known. Anything but an object is not about the scan.
    """
    path = scan.with_name(f"{stem(scan.name)}.json")
    if not path.is_file():
        return {}
    try:
        with path.open("rb") as file:
            found = file.read(MOST_BYTES + 1)
        if len(found) > MOST_BYTES:
            return {UNREAD: f"{path.name} is larger than 1 MiB"}
        content = json.loads(found.decode("utf-8", "replace"))
    except (OSError, ValueError, RecursionError):
        return {UNREAD: f"{path.name} cannot be read as JSON"}
    if not isinstance(content, dict):
        return {}
    return {
        key: str(value).encode("utf-8", "replace").decode()
        for key, value in content.items()
        if _OWN_KEY.fullmatch(key) and isinstance(value, (str, int, float, bool))
    }
