"""Hard negatives: where in untouched scans a network that is still learning sees a fault.

Among half a million voxels of a real scan a few always look odd, and those decide how much a fault
must show to be told from them. Shown again as untouched, they lose their oddness (bootstrapping of
Sung and Poggio 1998; Shrivastava et al., CVPR 2016).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from safegen_detectors.anomaly.segmentation.crops import Crop, Whole, floats
from safegen_detectors.anomaly.segmentation.network import SegmentationNet, logits_of

PEAKS = 3  # a scan
APART = 8  # voxels between peaks, and the farthest that a crop lies off its peak
NOTHING = -1e3


def hard_negatives(
    network: SegmentationNet, scans: Sequence[Whole], *, random: torch.Generator, device: str
) -> list[Crop]:
    """Crops about the highest logits of each untouched scan."""
    network.eval()
    return [crop for scan in scans for crop in _around_peaks(network, scan, random, device)]


def _around_peaks(
    network: SegmentationNet, scan: Whole, random: torch.Generator, device: str
) -> Iterator[Crop]:
    logits = logits_of(network, floats(scan.inputs).to(device)).cpu()
    logits = logits.masked_fill(~scan.region, NOTHING)
    for _ in range(PEAKS):
        peak = np.array(np.unravel_index(int(logits.argmax()), logits.shape), dtype=np.int64)
        off = torch.randint(-APART, APART, (3,), generator=random).numpy()
        yield scan.crop(peak + off)
        low = np.maximum(peak - APART, 0)
        logits[tuple(slice(int(a), int(b)) for a, b in zip(low, peak + APART + 1, strict=True))] = (
            NOTHING
        )
