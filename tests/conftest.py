"""What every test of this project may use."""

from __future__ import annotations

pytest_plugins = ["pytester"]
