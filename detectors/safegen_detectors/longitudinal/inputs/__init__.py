"""What a series brings: metadata, stated and published growth, grids, masks, fields, timepoints.

It may be imported by the whole check, and imports nothing else of it.
"""
