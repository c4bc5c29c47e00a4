"""What a scan looks like to the search: identity pattern, lattice and descriptors of blocks.

These modules import nothing of the rest of the check; `search` and the check itself build on
them.
"""
