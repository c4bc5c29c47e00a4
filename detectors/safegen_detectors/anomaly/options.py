"""The methods and explanations that `[detectors.anomaly]` can name.

This module starts with the plugin: the methods, and torch with them, are imported when asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_safegen.api import UsageProblem

if TYPE_CHECKING:
    from safegen_detectors.anomaly.methods.base import Method


SEGMENTATION, QUALITY, DIFFUSION = "artefact-segmentation", "image-quality", "diffusion"
METHOD_NAMES = ("atlas", QUALITY, SEGMENTATION, "autoencoder", DIFFUSION)
DEFAULT_METHODS = (QUALITY, SEGMENTATION)
NEED_FEATURES = frozenset({"atlas", QUALITY, SEGMENTATION})


def methods_named(names: Sequence[str], options: Mapping[str, Mapping[str, Any]]) -> list[Method]:
    """The methods in the order asked for, each with its own options.

    Raises:
        UsageProblem: no method, an unknown one, one twice, or an option that it does not have.
    """
    validate_methods(names, options)
    return [_method_named(name, options.get(name, {})) for name in names]


def validate_methods(names: Sequence[str], options: Mapping[str, Mapping[str, Any]]) -> None:
    """Nothing, or what is wrong with a list of methods.

    Raises:
        UsageProblem: no method, an unknown one, one twice, or options of an unknown one.
    """
    unknown = sorted({*names, *options} - set(METHOD_NAMES))
    if unknown or not names or len(set(names)) < len(names):
        what = f"{unknown[0]!r} is none" if unknown else f"{list(names)} is empty or repeats one"
        raise UsageProblem(
            f"The methods of anomaly are {', '.join(METHOD_NAMES)}, each at most once; {what}."
        )


def _method_named(name: str, options: Mapping[str, Any]) -> Method:
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
        from safegen_detectors.anomaly.methods.atlas import Atlas

        return Atlas
    if name == "image-quality":
        from safegen_detectors.anomaly.methods.image_quality.method import ImageQuality

        return ImageQuality
    if name == "artefact-segmentation":
        from safegen_detectors.anomaly.methods.segmentation.method import ArtefactSegmentation

        return ArtefactSegmentation
    if name == "autoencoder":
        from safegen_detectors.anomaly.methods.autoencoder.method import Autoencoder

        return Autoencoder
    from safegen_detectors.anomaly.methods.diffusion.method import Diffusion

    return Diffusion


EXPLANATION_LEGENDS = {
    "grad-cam": "where the network's coarse features raise the score (Grad-CAM)",
    "gradients": "how the score changes with the features, times their departure",
    "integrated-gradients": "each place's share of the rise of the score above that of a mean scan",
    "occlusion": "how much the score falls where the mean scan replaces this one",
    "denoising-path": "the diffusion model's error while it removes noise",
    "shap": "what each place adds to the predicted score (SHAP, expected gradients)",
    "deep-shap": "what each place adds to the predicted score (SHAP, DeepLIFT)",
    "partition-shap": "what each cube adds to the predicted score (SHAP, Owen values)",
    "combined": "weighted sum of the check's map, Grad-CAM and SHAP; 1 is its limit",
}

DEFAULT_EXPLANATIONS = ("grad-cam", "shap", "combined")
