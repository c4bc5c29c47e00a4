"""The method `image-quality`: the distance of some hundred global measures from real scans.

It imports `reference` and the shared modules of `methods`; no other method may import it.
"""
