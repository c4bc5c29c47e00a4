"""Score + rule -> finding, findings -> the verdict on a release; waivers, self-test, accounting.

Knows nothing of pytest; imports everything up to `profiles`.
"""
