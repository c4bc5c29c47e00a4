"""The fault bank: what broken generators and scanners do to a scan, planted with known truth.

    canvas = canvas_of(scan)
    planted = plant("checkerboard", canvas, strength=0.6, random=np.random.default_rng(0))
    planted.voxels, planted.mask

For tests of detectors, for training, and for `safegen inject`, which writes such scans to disk.
"""

from pytest_safegen.faults.bank import FAMILIES, plant
from pytest_safegen.faults.canvas import canvas_of
from pytest_safegen.faults.model import Canvas, Family, Planted

__all__ = ["FAMILIES", "Canvas", "Family", "Planted", "canvas_of", "plant"]
