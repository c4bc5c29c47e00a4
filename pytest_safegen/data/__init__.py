"""A folder becomes a `Release` of `Series` of `ScanRef`, from names and tables alone.

Imports `core`; no voxel is read here.
"""
