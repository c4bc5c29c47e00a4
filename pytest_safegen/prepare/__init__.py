"""Scans on a common grid: orientation, resolution, intensity, body, registration.

The one place that resamples; imports `core`. ITK works on one thread here, so that the same scan
always gets the same numbers.
"""
