"""The method `artefact-segmentation`: a network trained to outline synthetic faults.

It imports `reference` and the shared modules of `methods`; no other method may import it.
"""
