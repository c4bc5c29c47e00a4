"""One row of the table of scans: the facts about a scan that need no reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_safegen.core.scan import Fact, Scan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SAMPLES = 100_000


def facts_of(scan: Scan) -> dict[str, Fact]:
    """The scan's row: subject and time, grid, intensities, mask, and labels of the manifest.

    Statistics are over finite voxels and None if there are none. Percentiles are taken from about
    100,000 evenly spread voxels, all others from every voxel. Spacing is in mm, the mask in ml.
    """
    ref = scan.ref
    row: dict[str, Fact] = {
        "target": ref.target,
        "subject": ref.subject,
        "session": ref.session,
        "months": ref.months,
        "modality": ref.modality,
        **_grid(scan),
        "stored_type": scan.stored_type,
        **_intensities(scan.voxels),
        "mask_volume_ml": _mask_volume(scan),
    }
    return {**{name: text for name, text in ref.labels.items() if name not in row}, **row}


def _grid(scan: Scan) -> dict[str, Fact]:
    from nibabel.affines import voxel_sizes
    from nibabel.orientations import aff2axcodes

    shape, spacing = scan.voxels.shape, voxel_sizes(scan.affine)
    row: dict[str, Fact] = {}
    row |= {f"shape_{axis}": float(length) for axis, length in zip("ijk", shape, strict=True)}
    row |= {f"spacing_{axis}": float(step) for axis, step in zip("ijk", spacing, strict=True)}
    codes = aff2axcodes(scan.affine)
    return row | {"orientation": "".join(code or "?" for code in codes)}


def _intensities(voxels: NDArray[np.float32]) -> dict[str, Fact]:
    import numpy as np

    flat = voxels.ravel(order="K")
    finite = flat[np.isfinite(flat)] if not np.isfinite(flat).all() else flat
    row: dict[str, Fact] = {"nonfinite_share": 1.0 - finite.size / flat.size}
    if not finite.size:
        names = ("minimum", "p1", "median", "p99", "maximum", "mean", "std", "background_share")
        return row | dict.fromkeys(names)
    # The step is odd, for the lengths of axes tend to be even: it must not repeat with them.
    sample = finite[:: (finite.size // _SAMPLES) | 1]
    p1, median, p99 = (float(value) for value in np.percentile(sample, [1, 50, 99]))
    minimum, mean = float(finite.min()), float(finite.mean(dtype=np.float64))
    return row | {
        "minimum": minimum,
        "p1": p1,
        "median": median,
        "p99": p99,
        "maximum": float(finite.max()),
        "mean": mean,
        "std": _standard_deviation(finite, mean),
        "background_share": float(np.count_nonzero(finite == minimum)) / flat.size,
    }


def _standard_deviation(values: NDArray[np.float32], mean: float) -> float:
    """The standard deviation, in pieces so that no copy in float64 of a whole scan is made."""
    import numpy as np

    pieces = np.array_split(values, values.size // 1_000_000 + 1)
    total = sum(float(np.square(piece - np.float64(mean)).sum()) for piece in pieces)
    return float(np.sqrt(total / values.size))


def _mask_volume(scan: Scan) -> float | None:
    import numpy as np

    if scan.mask is None:
        return None
    voxel = abs(float(np.linalg.det(scan.affine[:3, :3])))
    return float(np.count_nonzero(scan.mask)) * voxel / 1000.0
