"""Profile sets on disk: one safetensors file, with the rest as JSON in its header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.core.atomic_io import atomic_path
from pytest_safegen.core.errors import ProfileError
from pytest_safegen.core.score import Profile
from pytest_safegen.prepare.options import PrepareOptions
from pytest_safegen.prepare.template import Template
from pytest_safegen.profiles.model import Bundle, ProfileSet

FORMAT = 1

HEADER = "safegen"


def save_profiles(profiles: ProfileSet, path: Path) -> None:
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
    with atomic_path(path) as partial:
        save_file(tensors, partial, metadata={HEADER: json.dumps(header)})


def load_profiles(path: Path, detectors: Mapping[str, Detector]) -> ProfileSet:
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


def is_profile(path: Path) -> bool:
    """True if the file is a profile, of whatever format and versions."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as stream:
            return HEADER in (stream.metadata() or {})
    except (OSError, SafetensorError):
        return False


def _bundle_header(prefix: str, bundle: Bundle, tensors: dict[str, Any]) -> dict[str, Any]:
    template = bundle.template
    if template is not None:
        tensors[f"{prefix}template/voxels"] = template.voxels.astype(np.float16)
        tensors[f"{prefix}template/body"] = template.body.astype(np.float16)
    return {
        "problem": bundle.problem,
        "headline": bundle.headline,
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
            plain.get("headline", ""),
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
