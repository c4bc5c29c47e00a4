"""Pictures of scans: slices as PNG files, and voxels for the interactive viewer.

It knows scans, heatmaps and files, but no findings, pages or templates; pages and the reader
study import it.
"""
