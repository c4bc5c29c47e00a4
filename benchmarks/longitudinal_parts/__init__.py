"""Parts of `benchmarks.longitudinal`."""
