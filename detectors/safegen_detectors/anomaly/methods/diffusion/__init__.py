"""The method `diffusion`: anomalies are what a diffusion model of real scans changes.

It imports `reference` and the shared modules of `methods`; no other method may import it.
"""
