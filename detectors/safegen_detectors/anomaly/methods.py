"""The methods by name, as in `[detectors.anomaly] methods = [...]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_safegen.api import UsageProblem
from safegen_detectors.anomaly.model import Method

SEGMENTATION, QUALITY, DIFFUSION = "artefact-segmentation", "image-quality", "diffusion"
NAMES = ("atlas", QUALITY, SEGMENTATION, "autoencoder", DIFFUSION)
DEFAULT = (QUALITY, SEGMENTATION)
NEED_FEATURES = frozenset({"atlas", QUALITY, SEGMENTATION})


def methods_named(names: Sequence[str], options: Mapping[str, Mapping[str, Any]]) -> list[Method]:
    """The methods in the order asked for, each with its own options.

    Raises:
        UsageProblem: no method, an unknown one, one twice, or an option that it does not have.
    """
    refuse_unknown(names, options)
    return [_method(name, options.get(name, {})) for name in names]


def refuse_unknown(names: Sequence[str], options: Mapping[str, Mapping[str, Any]]) -> None:
    """Nothing, or what is wrong with a list of methods.

    Raises:
        UsageProblem: no method, an unknown one, one twice, or options of an unknown one.
    """
    unknown = sorted({*names, *options} - set(NAMES))
    if unknown or not names or len(set(names)) < len(names):
        what = f"{unknown[0]!r} is none" if unknown else f"{list(names)} is empty or repeats one"
        raise UsageProblem(
            f"The methods of anomaly are {', '.join(NAMES)}, each at most once; {what}."
        )


def _method(name: str, options: Mapping[str, Any]) -> Method:
    try:
        method: Method = _class_of(name)(**options)
    except TypeError as problem:
        raise UsageProblem(
            f"The method {name} of anomaly does not take these options: {sorted(options)} "
            f"({problem})."
        ) from problem
    return method


def _class_of(name: str) -> Any:
    """The class of a method; torch and more take seconds to import, so only what is asked for."""
    if name == "atlas":
        from safegen_detectors.anomaly.atlas import Atlas

        return Atlas
    if name == "image-quality":
        from safegen_detectors.anomaly.image_quality import ImageQuality

        return ImageQuality
    if name == "artefact-segmentation":
        from safegen_detectors.anomaly.segmentation import ArtefactSegmentation

        return ArtefactSegmentation
    if name == "autoencoder":
        from safegen_detectors.anomaly.autoencoder import Autoencoder

        return Autoencoder
    from safegen_detectors.anomaly.diffusion import Diffusion

    return Diffusion
