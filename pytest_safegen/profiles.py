"""What the detectors learned from real scans: fit, save, load, and keep between runs.

A profile set holds one `Bundle` per modality: the template of that modality and one `Profile` per
detector. On disk it is one safetensors file whose header carries the rest as JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pytest_safegen.code_digest import code_digest
from pytest_safegen.errors import ProfileError
from pytest_safegen.hookspecs import DeclaresCode, Detector
from pytest_safegen.model import Profile, ScanRef
from pytest_safegen.prepare import PrepareOptions, Template
from pytest_safegen.whole_files import appearing

FORMAT = 1
ANY_MODALITY = ""
HEADER = "safegen"
GATE_CODE = ("pytest_safegen",)
LIBRARIES = ("numpy", "scipy", "nibabel", "SimpleITK")
"""What decides every prepared voxel."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """All that is known of the real scans of one modality; `problem` says why it is nothing."""

    template: Template | None
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ProfileSet:
    """The bundles by modality, and the profiles of detectors that judge the release as a whole."""

    digest: str
    bundles: Mapping[str, Bundle]
    release: Mapping[str, Profile]
    left_out: tuple[str, ...] = ()

    def bundle(self, modality: str | None) -> Bundle:
        """The bundle for a scan of that modality; the only one there is fits any scan."""
        if (modality or ANY_MODALITY) in self.bundles:
            return self.bundles[modality or ANY_MODALITY]
        if len(self.bundles) == 1:
            return next(iter(self.bundles.values()))
        known = ", ".join(sorted(filter(None, self.bundles)))
        return Bundle(
            None,
            problem=f"the real scans are {known}, and the modality of this scan is "
            f"{modality or 'unknown'}: name it in the file name or in safegen.tsv",
        )


def digest_of(refs: Iterable[ScanRef], detectors: Mapping[str, Detector], *extra: Any) -> str:
    """One digest of the contents of scans, the detectors' options and the code that runs."""
    total = hashlib.blake2b(digest_size=16)
    for ref in refs:
        known = (ref.target, ref.subject, ref.session, ref.modality, ref.months)
        total.update(repr((known, sorted(ref.labels.items()))).encode())
        for path in _files(ref.path) + (_files(ref.mask) if ref.mask else []):
            total.update(_content(path))
    for name, detector in sorted(detectors.items()):
        total.update(repr((name, detector.version, _options(detector))).encode())
        total.update(code_of(detector).encode())
    total.update(repr(extra).encode())
    total.update(code_digest(GATE_CODE, LIBRARIES).encode())
    return total.hexdigest()


def save(profiles: ProfileSet, path: Path) -> None:
    """Write a profile set; the file is complete or not there at all."""
    from safetensors.numpy import save_file

    tensors: dict[str, Any] = {}
    header: dict[str, Any] = {
        "format": FORMAT,
        "digest": profiles.digest,
        "left_out": list(profiles.left_out),
        "bundles": {
            name: _bundle_header(f"{name}/", bundle, tensors)
            for name, bundle in profiles.bundles.items()
        },
        "release": {
            name: _profile_header(f"/{name}/", profile, tensors)
            for name, profile in profiles.release.items()
        },
    }
    with appearing(path) as partial:
        save_file(tensors, partial, metadata={HEADER: json.dumps(header)})


def load(path: Path, detectors: Mapping[str, Detector]) -> ProfileSet:
    """Read a profile set; arrays are read-only.

    Raises:
        ProfileError: not a profile, a damaged one, or one of other versions of the detectors.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as stream:
            header = json.loads((stream.metadata() or {})[HEADER])
            tensors = {key: _read_only(stream.get_tensor(key)) for key in stream.keys()}  # noqa: SIM118  not a dict
        if header["format"] != FORMAT:
            raise ProfileError(
                f"The profile {path.name} has format {header['format']}, this version reads "
                f"{FORMAT}: fit it again with `safegen fit`."
            )
        profiles = _from_header(header, tensors)
        _refuse_other_versions(path, header, detectors)
    except OSError as problem:
        raise ProfileError(f"The profile {path} cannot be read: {problem}.") from problem
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError) as problem:
        raise ProfileError(
            f"{path.name} is not a profile made by `safegen fit`, or it is damaged ({problem})."
        ) from problem
    return profiles


def _options(detector: Detector) -> str:
    """The detector's options as text, without the address that a plain object's repr holds."""
    if type(detector).__repr__ is object.__repr__:
        return repr(sorted(getattr(detector, "__dict__", {}).items()))
    return repr(detector)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "blake2b").digest()
    except OSError as problem:  # whoever reads the scan says so
        return repr(problem.errno).encode()


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(item for item in path.iterdir() if item.is_file())
    return [path] if path.is_file() else []


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


def _bundle_header(prefix: str, bundle: Bundle, tensors: dict[str, Any]) -> dict[str, Any]:
    template = bundle.template
    if template is not None:
        tensors[f"{prefix}template/voxels"] = template.voxels.astype(np.float16)
        tensors[f"{prefix}template/body"] = template.body.astype(np.float16)
    return {
        "problem": bundle.problem,
        "template": None
        if template is None
        else {"affine": template.affine.tolist(), "options": asdict(template.options)},
        "profiles": {
            name: _profile_header(f"{prefix}{name}/", profile, tensors)
            for name, profile in bundle.profiles.items()
        },
    }


def _profile_header(prefix: str, profile: Profile, tensors: dict[str, Any]) -> dict[str, Any]:
    for name, array in profile.arrays.items():
        tensors[prefix + name] = np.ascontiguousarray(array)
    plain = {key: getattr(profile, key) for key in ("digest", "facts", "calibration_source")}
    return plain | {
        "prefix": prefix,
        "arrays": sorted(profile.arrays),
        "calibration": profile.calibration.tolist(),
        "reference_count": profile.reference_count,
        "version": profile.facts.get("version", ""),
    }


def _from_header(header: Mapping[str, Any], tensors: Mapping[str, Any]) -> ProfileSet:
    bundles = {
        name: Bundle(
            _template(f"{name}/", plain["template"], tensors),
            {key: _profile(key, value, tensors) for key, value in plain["profiles"].items()},
            plain["problem"],
        )
        for name, plain in header["bundles"].items()
    }
    release = {key: _profile(key, value, tensors) for key, value in header["release"].items()}
    return ProfileSet(header["digest"], bundles, release, tuple(header["left_out"]))


def _template(
    prefix: str, plain: Mapping[str, Any] | None, tensors: Mapping[str, Any]
) -> Template | None:
    if plain is None:
        return None
    affine = np.array(plain["affine"], dtype=np.float64)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise ValueError("the template's affine is not a finite 4x4 matrix")
    voxels, body = (
        _read_only(tensors[f"{prefix}template/{part}"].astype(np.float32))
        for part in ("voxels", "body")
    )
    if voxels.ndim != 3 or voxels.shape != body.shape or not np.isfinite(voxels).all():
        raise ValueError("the template is not a finite volume")
    options = PrepareOptions(**plain["options"])
    if not 0 < options.spacing < float("inf"):
        raise ValueError(f"a spacing of {options.spacing} mm is none")
    return Template(voxels, body, affine, options)


def _profile(name: str, plain: Mapping[str, Any], tensors: Mapping[str, Any]) -> Profile:
    calibration = np.sort(np.array(plain["calibration"], dtype=np.float64))
    if not np.isfinite(calibration).all():
        raise ValueError("a calibration score is not finite")
    return Profile(
        name,
        plain["digest"],
        {key: tensors[plain["prefix"] + key] for key in plain["arrays"]},
        plain["facts"],
        calibration,
        plain["calibration_source"],
        int(plain["reference_count"]),
    )


def _refuse_other_versions(
    path: Path, header: Mapping[str, Any], detectors: Mapping[str, Detector]
) -> None:
    groups = [plain["profiles"] for plain in header["bundles"].values()] + [header["release"]]
    for group in groups:
        for name, plain in group.items():
            if name in detectors and plain["version"] != detectors[name].version:
                raise ProfileError(
                    f"The profile {path.name} was fitted with version {plain['version']} of the "
                    f"check {name}, here is version {detectors[name].version}: "
                    "fit it again with `safegen fit`."
                )


def _read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array
