"""The search for a scan's patient: index, poses, matching and margins over other persons.

These modules import `features` only; fit, score, self-test and duplicates build on them.
"""
