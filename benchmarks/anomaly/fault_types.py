"""The types of faults that are planted, and in which quarter of the groups each is."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_safegen import Scan
from pytest_safegen.api import FAMILIES, Canvas
from pytest_safegen.faults import Planted, plant

QUARTERS = {
    "A": ("noise", "slice", "kspace", "seam"),
    "B": ("intensity", "dropout", "ct"),
    "C": ("warp", "geometry", "foreign", "structure"),
    "D": ("blur", "sharpen", "resolution", "pattern"),
}
"""A fault is judged by the network that learned from the groups of the other quarters alone."""

FOREIGN = ("foreign", "structure")  # groups that take tissue of another patient
TORCHIO = {
    "RandomMotion": "kspace",
    "RandomGhosting": "kspace",
    "RandomSpike": "kspace",
    "RandomBiasField": "intensity",
    "RandomGamma": "intensity",
    "RandomBlur": "blur",
    "RandomNoise": "noise",
    "RandomElasticDeformation": "warp",
    "RandomSwap": "foreign",
    "RandomAnisotropy": "resolution",
}
"""Each at the ranges that TorchIO chose, and the group of families that is most like it."""

_ONE_AT_A_TIME = Lock()  # TorchIO draws from torch's one generator

Plant = Callable[[Canvas, Scan, float, np.random.Generator], Planted]


@dataclass(frozen=True, slots=True)
class FaultType:
    """One kind of fault; `bank` is "safegen" or "torchio", `quarter` that of its group.

    Faults of the whole scan are never learned from; they are judged by the network that learned
    from no local fault of their group either.
    """

    name: str
    bank: str
    group: str
    local: bool
    plant: Plant

    @property
    def quarter(self) -> str:
        """The quarter of the groups that the network which judges it never saw."""
        return next(name for name, groups in QUARTERS.items() if self.group in groups)

    def random(self, seed: int, patient: int) -> np.random.Generator:
        """The same numbers for the same kind and patient, whatever else is planted."""
        return np.random.default_rng([seed, zlib.crc32(self.name.encode()), patient])


def fault_types_of(modality: str, names: Sequence[str], *, torchio: bool) -> list[FaultType]:
    """The families of a modality, all or those named, and TorchIO's if wanted.

    Raises:
        SystemExit: a name that is no family of this modality.
    """
    fitting = {name: f for name, f in FAMILIES.items() if modality in f.modalities}
    unknown = sorted(set(names) - set(fitting))
    if unknown:
        raise SystemExit(f"{unknown[0]!r} is no family of faults of {modality} scans.")
    chosen = [fitting[name] for name in names or fitting]
    bank = [
        FaultType(f.name, "safegen", f.group, f.local, partial(_family, f.name)) for f in chosen
    ]
    if torchio:
        bank += [
            FaultType(name, "torchio", group, False, partial(_torchio, name))
            for name, group in TORCHIO.items()
        ]
    return bank


def _family(
    name: str,
    canvas: Canvas,
    scan: Scan,  # noqa: ARG001  what TorchIO's need
    strength: float,
    random: np.random.Generator,
) -> Planted:
    return plant(name, canvas, strength=strength, random=random)


def _torchio(
    name: str,
    canvas: Canvas,
    scan: Scan,
    strength: float,  # noqa: ARG001  nobody tunes what TorchIO chose
    random: np.random.Generator,
) -> Planted:
    """TorchIO's transform on intensities of about 0..1, for which its ranges are meant."""
    import torch
    import torchio  # an extra

    voxels = (canvas.voxels - np.float32(canvas.floor)) / np.float32(canvas.contrast)
    image = torchio.ScalarImage(tensor=torch.from_numpy(voxels)[None], affine=scan.affine)
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(random.integers(2**31)))
        transform: Any = getattr(torchio, name)()
        found = transform(image)
    data: NDArray[np.float32] = found.data[0].numpy()
    changed = data * np.float32(canvas.contrast) + np.float32(canvas.floor)
    return Planted(np.ascontiguousarray(changed, dtype=np.float32))
