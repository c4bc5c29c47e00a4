"""What every test of this project may use."""

from __future__ import annotations

from contextlib import suppress

# pytester forgets the modules that a run within a test was the first to import. SQLAlchemy must not
# be among them: imported again, a part of it would not know the other.
import sqlalchemy.orm  # noqa: F401

# Nor must this one, which MLflow brings: it takes the place of the finder in the standard library,
# and once it is forgotten too, no installed package is found any more.
with suppress(ImportError):
    import importlib_metadata  # noqa: F401

pytest_plugins = ["pytester"]
