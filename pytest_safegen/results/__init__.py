"""What a run leaves behind: files, gate.json, history, comparison with a baseline, merged runs.

Imports `judging` and what lies below it.
"""
