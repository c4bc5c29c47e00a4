"""The mathematics of the longitudinal check: pure functions of arrays, volumes and times.

It may import `inputs`, and `registration` and everything above may import it.
"""
