"""`python -m benchmarks.anomaly`: how well the anomaly check finds planted faults, and where.

In the order of use: `options`, `cohort`, `methods_under_test`, `fault_types`, `trial` (with
`donor_tissue`, `localization` and `faithfulness`), `summary` (with `comparison` and `sizes`),
`tables`, `figure`.
"""
