"""The offline HTML report: an index, a page per target, and pictures beside them.

It may import the gate's public modules and nothing else of `safegen_reports`; `report` writes
it all, and the templates, scripts and styles it fills in lie in `templates` and `assets`.
"""
