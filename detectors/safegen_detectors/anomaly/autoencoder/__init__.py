"""Anomalies as what a narrow autoencoder of real scans cannot restore."""

from safegen_detectors.anomaly.autoencoder.method import Autoencoder

__all__ = ["Autoencoder"]
