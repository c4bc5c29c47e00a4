"""The figure of doses: how AUROC rises with the strength of a fault."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

COLUMNS = 6


def draw(content: Mapping[str, Any], path: Path) -> bool:
    """Write the figure; False if there is nothing to show or matplotlib is not installed."""
    if not content["dose"] or importlib.util.find_spec("matplotlib") is None:
        return False
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "safegen"  # the same file from the same numbers
    from matplotlib import pyplot

    groups = _by_group(content)
    rows = -(-len(groups) // COLUMNS)
    figure, axes = pyplot.subplots(
        rows, COLUMNS, figsize=(2.2 * COLUMNS, 1.9 * rows), sharex=True, sharey=True, squeeze=False
    )
    for axis in axes.ravel()[len(groups) :]:
        axis.set_axis_off()
    for axis, (group, families) in zip(axes.ravel(), groups.items(), strict=False):
        for name, by_strength in families.items():
            strengths = sorted(by_strength, key=float)
            heights = [by_strength[key]["auroc"] for key in strengths]
            axis.plot([float(key) for key in strengths], heights, marker=".", label=name)
        axis.set_title(group, fontsize=8)
        axis.set_ylim(0, 1.03)
        axis.axhline(0.5, color="0.8", linewidth=0.8)
        axis.legend(fontsize=4, loc="lower right")
        axis.tick_params(labelsize=6)
    figure.supxlabel("strength", fontsize=8)
    figure.supylabel("AUROC", fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")
    figure.savefig(partial, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    partial.replace(path)
    return True


def _by_group(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    group_of = {row["kind"]: row["group"] for row in content["kinds"]}
    groups: dict[str, dict[str, Any]] = {}
    for name, by_strength in content["dose"].items():
        groups.setdefault(group_of[name], {})[name] = by_strength
    return groups
