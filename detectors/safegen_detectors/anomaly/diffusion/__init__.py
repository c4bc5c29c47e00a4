"""Anomalies as what a diffusion model of real scans would not have drawn."""

from safegen_detectors.anomaly.diffusion.method import Diffusion

__all__ = ["Diffusion"]
