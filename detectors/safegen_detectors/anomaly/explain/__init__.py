"""Explanation maps of a scan's score, and what must be fitted to make them.

It may import `options`, `methods` and `reference`; only fitting and the detector import it.
"""
