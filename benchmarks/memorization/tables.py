"""Results of the memorization benchmark: what is kept, and its Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.memorization.grid import APART, GRID, STRENGTHS
from benchmarks.memorization.methods import OURS, PUBLISHED
from benchmarks.rates import rate_of

Content = Mapping[str, Any]
LOCATED = 0.125  # share of the body from which on the place must be right


def markdown(content: Content) -> str:
    """All tables."""
    parts = (_facts(content), _methods(content), _rows(content))
    return "\n\n".join(part for part in parts if part) + "\n"


def mean_rate(copies: Sequence[Content], method: str, rows: Sequence[str]) -> float:
    """The mean over rows of the share that a method flagged."""
    shares = [_share(_of(copies, row), method) for row in rows]
    return float(np.nanmean(shares)) if shares else float("nan")


def _facts(content: Content) -> str:
    copies = content["copies"]
    grid = [one for one in copies if one["kind"] in GRID]
    caught = [one for one in grid if one["flagged"][OURS]]
    named = rate_of([one["named"] for one in caught])
    seconds = [one["seconds"] for one in copies if one["seconds"]]
    dice = [one["dice"] for one in grid if one["dice"] is not None and _large(one["kind"])]
    lines = [
        f"{content['reference']} patients of {content['data']} as reference, "
        f"{len(content['untouched'])} others untouched, {len(grid)} copies of "
        f"{len({one['kind'] for one in grid})} kinds at {STRENGTHS} strengths. "
        f"Seed {content['seed']}. {content['limit']}.",
        f"Source named rightly in {named} of those caught. Median Dice of the outline, parts of "
        f"12.5 % and more: {np.median(dice) if dice else float('nan'):.2f}. Processor seconds a "
        f"scan, one thread, without reading and alignment: "
        f"{np.median(seconds) if seconds else float('nan'):.2f}.",
    ]
    if speed := content.get("speed"):
        lines.append(
            f"With {speed['persons']} persons in the index: {speed['wall']:.2f} s a scan on "
            f"{speed['cores']} cores, {speed['processor']:.2f} processor seconds."
        )
    if content.get("same"):
        lines.append(f"Found to be one person, or twins: {'; '.join(content['same'])}.")
    return "\n\n".join(lines)


def _methods(content: Content) -> str:
    copies, clean = content["copies"], content["untouched"]
    rows = sorted({one["kind"] for one in copies if one["kind"] in GRID}, key=list(GRID).index)
    lines = []
    for method in content["methods"]:
        alarms = rate_of([one["flagged"].get(method, False) for one in clean])
        lines.append([method, f"{mean_rate(copies, method, rows):.3f}", str(alarms)])
    return _table(["method", "mean TPR over rows", "untouched flagged (95 % interval)"], lines)


def _rows(content: Content) -> str:
    copies = content["copies"]
    others = [method for method in content["methods"] if method not in (OURS, PUBLISHED)]
    order = [*GRID, *APART, "overfitted generator"]
    lines = []
    for kind in sorted({one["kind"] for one in copies}, key=order.index):
        own = _of(copies, kind)
        rate = rate_of([one["flagged"][OURS] for one in own])
        by_strength = [_share([o for o in own if o["strength"] == s], OURS) for s in range(3)]
        doses = " / ".join("-" if np.isnan(share) else f"{share:.2f}" for share in by_strength)
        dice = [one["dice"] for one in own if one["dice"] is not None]
        best = max(others, key=lambda method: _share(own, method))
        lines.append(
            [
                kind,
                str(rate),
                doses,
                f"{np.median(dice):.2f}" if dice else "",
                f"{_share(own, best):.2f} ({best})" if _share(own, best) else "0",
            ]
        )
    return _table(
        ["copy", "caught", "by strength", "Dice", "best other method at the same rate"], lines
    )


def _of(copies: Sequence[Content], kind: str) -> list[Content]:
    return [one for one in copies if one["kind"] == kind]


def _share(copies: Sequence[Content], method: str) -> float:
    if not copies:
        return float("nan")
    return float(np.mean([one["flagged"].get(method, False) for one in copies]))


def _large(kind: str) -> bool:
    return kind.startswith("part") and float(kind.split()[1]) / 100 >= LOCATED


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
