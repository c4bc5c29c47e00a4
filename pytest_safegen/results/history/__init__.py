"""The history of runs: a database by URL, SQLite in a file or PostgreSQL."""

from __future__ import annotations

from pytest_safegen.results.history.database import OFF as OFF, HistoryError as HistoryError
from pytest_safegen.results.history.entries import Entry as Entry
from pytest_safegen.results.history.history import History as History, open_history as open_history
