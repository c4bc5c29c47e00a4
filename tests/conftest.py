"""What every test of this project may use."""

from __future__ import annotations

# pytester forgets the modules that a run within a test was the first to import. SQLAlchemy must not
# be among them: imported again, a part of it would not know the other.
import sqlalchemy.orm  # noqa: F401

pytest_plugins = ["pytester"]
