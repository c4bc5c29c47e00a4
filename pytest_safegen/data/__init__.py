"""A folder becomes a `Release` of `Series` of `ScanRef`, from names, tables and DICOM headers.

`discover` runs the steps, each of which completes the `Candidate` of `model`: `tree`, `layouts`,
`masks`, `metadata`. Imports `core` and `config`; no voxel is read here.
"""
