"""The nouns of the gate and what all rooms share: errors, atomic files, digests, JSON.

Frozen values and pure functions only; imports nothing else of the package.
"""
