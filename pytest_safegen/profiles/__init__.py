"""What detectors learned from real scans: fit, calibrate, save, load, digest.

Imports `core`, `config`, `data`, `readers` and `prepare`.
"""
