"""The values of the gate and what all rooms share: errors, atomic files, digests, JSON.

Imports nothing else of the package.
"""
