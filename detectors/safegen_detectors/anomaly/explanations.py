"""The explanations by name, as in `[detectors.anomaly] explanations = [...]`, and their legends."""

from __future__ import annotations

MEANINGS = {
    "grad-cam": "where the network's coarse features raise the score (Grad-CAM)",
    "gradients": "how the score changes with the features, times their departure",
    "integrated-gradients": "the part of each place in the way of the score from usual to here",
    "occlusion": "how much the score falls where the scan is made usual",
    "denoising-path": "how wrong the diffusion model is on the way back from noise",
    "shap": "what each place adds to the foretold score (SHAP, expected gradients)",
    "deep-shap": "what each place adds to the foretold score (SHAP, DeepLIFT)",
    "partition-shap": "what each cube adds to the foretold score (SHAP, Owen values)",
    "combined": "weighted sum of the check's map, Grad-CAM and SHAP; 1 is its limit",
}

DEFAULT = ("grad-cam", "shap", "combined")
