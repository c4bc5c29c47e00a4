"""The method `image-quality`: some hundred global measures of a scan, and how usual they are.

It imports `reference` and the shared modules of `methods`; no other method may import it.
"""
