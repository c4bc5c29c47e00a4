"""What a profile depends on, as a digest: scans, options, code, libraries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_safegen.config.hookspecs import DeclaresCode, Detector
from pytest_safegen.core.code_digest import code_digest
from pytest_safegen.core.digest import content_digest
from pytest_safegen.core.scan import ScanRef

GATE_CODE = (
    "pytest_safegen.core",
    "pytest_safegen.data",
    "pytest_safegen.faults",
    "pytest_safegen.judging.calibration",
    "pytest_safegen.prepare",
    "pytest_safegen.profiles",
    "pytest_safegen.readers",
)
"""What of the gate decides a profile: from a file to what a detector gets, and how it is fitted."""

LIBRARIES = ("numpy", "scipy", "nibabel", "SimpleITK")
"""What decides every prepared voxel."""


def digest_of(refs: Iterable[ScanRef], detectors: Mapping[str, Detector], *extra: Any) -> str:
    """One digest of the contents of scans, the detectors' options and the code that runs."""
    total = hashlib.blake2b(digest_size=16)
    for ref in refs:
        known = (ref.target, ref.subject, ref.session, ref.modality, ref.months)
        total.update(repr((known, sorted(ref.labels.items()))).encode())
        total.update(content_digest([ref]).encode())
    for name, detector in sorted(detectors.items()):
        total.update(repr((name, detector.version, _options(detector))).encode())
        total.update(code_of(detector).encode())
    total.update(repr(extra).encode())
    total.update(code_digest(GATE_CODE, LIBRARIES).encode())
    return total.hexdigest()


def _options(detector: Detector) -> str:
    """The detector's options as text, without the address that a plain object's repr holds."""
    if type(detector).__repr__ is object.__repr__:
        return repr(sorted(getattr(detector, "__dict__", {}).items()))
    return repr(detector)


def code_of(detector: Detector) -> str:
    """The digest of the code that decides a detector's scores, and of its libraries.

    A detector may declare its code, as names of modules and packages, and its libraries. Otherwise
    it is the package of its module, with all that is in it.
    """
    module = type(detector).__module__
    package = module.rpartition(".")[0] or module
    code: Sequence[str] = (package,)
    libraries: Sequence[str] = ()
    if isinstance(detector, DeclaresCode):
        code, libraries = detector.code, detector.libraries
    try:
        return code_digest(code, libraries)
    except (ModuleNotFoundError, ValueError):  # a class that was typed in, not written in a file
        return ""


def fit_digest(
    refs: Sequence[ScanRef],
    held: Sequence[ScanRef],
    detectors: Mapping[str, Detector],
    *,
    seed: int,
) -> str:
    """What a fitted profile depends on: contents, options, code and seed."""
    return digest_of([*refs, *held], detectors, len(held), seed)
