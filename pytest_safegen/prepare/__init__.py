"""Scans on a common grid: orientation, resolution, intensity, body, registration.

The one place that resamples; imports `core`.
"""
