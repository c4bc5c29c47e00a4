"""The measures of the longitudinal check with their messages, one module per subject.

They may import `inputs`, `maths`, `registration` and `limits`, and are imported by `series`,
`heatmaps` and `detector`.
"""
