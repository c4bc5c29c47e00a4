"""What `python -m benchmarks.memorization` is made of."""
