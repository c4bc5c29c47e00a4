"""The parts of `benchmarks.anomaly`, in the order in which they are used.

`options`, `cohort`, `contestants`, `kinds`, `trial` (with `places` and `faithfulness`), `summary`
(with `compare`), `tables`.
"""
