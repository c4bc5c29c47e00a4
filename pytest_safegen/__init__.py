"""pytest-safegen: a release gate for synthetic medical images.

Public names are resolved on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_safegen.errors import (
        NotJudged as NotJudged,
        ProfileError as ProfileError,
        ReadError as ReadError,
        SafegenError as SafegenError,
        UsageProblem as UsageProblem,
    )
    from pytest_safegen.hookspecs import (
        Detector as Detector,
        Explains as Explains,
        LeavesOut as LeavesOut,
        Recalibrates as Recalibrates,
        hookimpl as hookimpl,
    )
    from pytest_safegen.model import (
        Finding as Finding,
        Fitted as Fitted,
        Heatmap as Heatmap,
        LeftOut as LeftOut,
        Measure as Measure,
        Prepared as Prepared,
        Profile as Profile,
        Release as Release,
        ReleaseTarget as ReleaseTarget,
        Rule as Rule,
        Run as Run,
        Scan as Scan,
        ScanRef as ScanRef,
        ScanTarget as ScanTarget,
        Scope as Scope,
        Score as Score,
        Series as Series,
        SeriesTarget as SeriesTarget,
        Unexplained as Unexplained,
        Verdict as Verdict,
    )

__version__ = "0.1.0"

_HOMES = {
    "pytest_safegen.errors": (
        "NotJudged",
        "ProfileError",
        "ReadError",
        "SafegenError",
        "UsageProblem",
    ),
    "pytest_safegen.hookspecs": (
        "Detector",
        "Explains",
        "LeavesOut",
        "Recalibrates",
        "hookimpl",
    ),
    "pytest_safegen.model": (
        "Finding",
        "Fitted",
        "Heatmap",
        "LeftOut",
        "Measure",
        "Prepared",
        "Profile",
        "Release",
        "ReleaseTarget",
        "Rule",
        "Run",
        "Scan",
        "ScanRef",
        "ScanTarget",
        "Scope",
        "Score",
        "Series",
        "SeriesTarget",
        "Unexplained",
        "Verdict",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME_OF)]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])
