"""Maps on a sample's own grid as heatmaps on the grid of its scan."""

from __future__ import annotations

import torch

from pytest_safegen.api import Heatmap, NotJudged, ScanTarget, to_scan_grid

MEANING = "unlike real scans; 1 is the limit of the outline"


def heatmap_of(
    values: torch.Tensor, target: ScanTarget, *, name: str = "", meaning: str = MEANING
) -> Heatmap:
    """A map on the own grid as a heatmap on the grid of the scan."""
    if target.own is None or target.scan is None:
        raise NotJudged(target.unprepared or "the scan is not prepared")
    native = to_scan_grid(values.float().cpu().numpy(), target.own, target.scan)
    return Heatmap(native, target.scan.affine, meaning, name=name)
