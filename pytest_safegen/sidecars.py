"""What the JSON file beside a scan says of it, as in BIDS.

Keys of BIDS itself are written in CamelCase and describe the scanner; keys of one's own, in lower
case with underscores (`pathology`, `treated`, `doubling_days`), become labels.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from pytest_safegen.errors import UsageProblem
from pytest_safegen.names import stem

MOST_BYTES = 2**20
_OWN_KEY = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def labels_beside(scan: Path) -> dict[str, str]:
    """The labels in the JSON file that is called like the scan; empty where there is none.

    Raises UsageProblem for a file that is no JSON object, or larger than 1 MiB.
    """
    path = scan.with_name(f"{stem(scan.name)}.json")
    if not path.is_file():
        return {}
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
        content = json.loads(text) if len(text) <= MOST_BYTES else None
    except (OSError, ValueError, RecursionError) as problem:
        raise UsageProblem(f"{path} cannot be read as JSON: {problem}.") from problem
    if not isinstance(content, dict):
        raise UsageProblem(f"{path} is no JSON object of at most 1 MiB. Write one, or remove it.")
    return {
        key: str(value)
        for key, value in content.items()
        if _OWN_KEY.fullmatch(key) and isinstance(value, (str, int, float, bool))
    }
