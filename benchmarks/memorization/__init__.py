"""`python -m benchmarks.memorization`: how well disturbed copies of training patients are found.

In the order of use: `copy_sources` (who is copied), `intensities`, `geometries`, `partial_copies`
and `networks` (the disturbances), `grid` (their names), `methods` (with `baselines`, `encoder` and
`volumes`), `speed`, `tables`.
"""
