"""Trends over releases: failure rates and medians with intervals, and a page of charts.

`statistics` is pure and is also what `mlflow` logs; `page` draws it and imports nothing else of
`safegen_reports`.
"""
