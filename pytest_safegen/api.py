"""Everything public, in one place: what plug-ins may use, and what `pytest_safegen` itself offers.

Names are resolved on first use, so that importing this module costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_safegen.config.hookspecs import (
        DeclaresCode as DeclaresCode,
        Detector as Detector,
        Explains as Explains,
        LeavesOut as LeavesOut,
        Recalibrates as Recalibrates,
        ScoreEach as ScoreEach,
        Scorer as Scorer,
        hookimpl as hookimpl,
    )
    from pytest_safegen.config.settings import (
        Settings as Settings,
    )
    from pytest_safegen.core.atomic_io import (
        write_bytes as write_bytes,
        write_json as write_json,
        write_text as write_text,
    )
    from pytest_safegen.core.errors import (
        NotJudged as NotJudged,
        ProfileError as ProfileError,
        ReadError as ReadError,
        SafegenError as SafegenError,
        UsageProblem as UsageProblem,
        format_error as format_error,
    )
    from pytest_safegen.core.finding import (
        Breach as Breach,
        Calibration as Calibration,
        Finding as Finding,
        MeasureLimits as MeasureLimits,
        Run as Run,
        Verdict as Verdict,
        calibration_of as calibration_of,
        limits_of as limits_of,
        shortened as shortened,
        worst as worst,
    )
    from pytest_safegen.core.scan import (
        Affine as Affine,
        BoolArray as BoolArray,
        Fact as Fact,
        FloatArray as FloatArray,
        LeftOut as LeftOut,
        Prepared as Prepared,
        Release as Release,
        Scan as Scan,
        ScanRef as ScanRef,
        Series as Series,
    )
    from pytest_safegen.core.score import (
        Fitted as Fitted,
        Heatmap as Heatmap,
        Measure as Measure,
        Profile as Profile,
        Rule as Rule,
        Score as Score,
        Unexplained as Unexplained,
    )
    from pytest_safegen.core.targets import (
        ReleaseTarget as ReleaseTarget,
        ScanTarget as ScanTarget,
        Scope as Scope,
        SeriesTarget as SeriesTarget,
        Target as Target,
    )
    from pytest_safegen.data.discover import (
        discover as discover,
    )
    from pytest_safegen.faults import (
        FAMILIES as FAMILIES,
        Canvas as Canvas,
        Family as Family,
    )
    from pytest_safegen.judging.calibration import (
        limit_at as limit_at,
    )
    from pytest_safegen.judging.heatmaps import (
        load_heatmap as load_heatmap,
    )
    from pytest_safegen.judging.messages import (
        breach_line as breach_line,
    )
    from pytest_safegen.prepare.canonical import (
        canonical as canonical,
    )
    from pytest_safegen.prepare.guess import (
        guess_options as guess_options,
    )
    from pytest_safegen.prepare.intensity import (
        HOUNSFIELD_CEILING as HOUNSFIELD_CEILING,
        HOUNSFIELD_FLOOR as HOUNSFIELD_FLOOR,
    )
    from pytest_safegen.prepare.options import (
        Intensity as Intensity,
        PrepareOptions as PrepareOptions,
    )
    from pytest_safegen.prepare.registration import (
        register as register,
    )
    from pytest_safegen.prepare.resample import (
        correlation as correlation,
        halved as halved,
        resample as resample,
        spacing_of as spacing_of,
        to_scan_grid as to_scan_grid,
    )
    from pytest_safegen.prepare.template import (
        Template as Template,
        align as align,
    )
    from pytest_safegen.profiles.io import (
        load_profiles as load_profiles,
    )
    from pytest_safegen.readers import (
        read_scan as read_scan,
    )
    from pytest_safegen.results.files import (
        GATE_FILE as GATE_FILE,
        RUN_FILE as RUN_FILE,
        load_run as load_run,
        read_findings as read_findings,
    )

_HOMES = {
    "pytest_safegen.config.hookspecs": (
        "DeclaresCode",
        "Detector",
        "Explains",
        "LeavesOut",
        "Recalibrates",
        "ScoreEach",
        "Scorer",
        "hookimpl",
    ),
    "pytest_safegen.config.settings": ("Settings",),
    "pytest_safegen.core.atomic_io": (
        "write_bytes",
        "write_json",
        "write_text",
    ),
    "pytest_safegen.core.finding": (
        "Breach",
        "Calibration",
        "Finding",
        "MeasureLimits",
        "Run",
        "Verdict",
        "calibration_of",
        "limits_of",
        "shortened",
        "worst",
    ),
    "pytest_safegen.core.errors": (
        "NotJudged",
        "ProfileError",
        "ReadError",
        "SafegenError",
        "UsageProblem",
        "format_error",
    ),
    "pytest_safegen.core.scan": (
        "Affine",
        "BoolArray",
        "Fact",
        "FloatArray",
        "LeftOut",
        "Prepared",
        "Release",
        "Scan",
        "ScanRef",
        "Series",
    ),
    "pytest_safegen.core.score": (
        "Fitted",
        "Heatmap",
        "Measure",
        "Profile",
        "Rule",
        "Score",
        "Unexplained",
    ),
    "pytest_safegen.core.targets": (
        "ReleaseTarget",
        "ScanTarget",
        "Scope",
        "SeriesTarget",
        "Target",
    ),
    "pytest_safegen.data.discover": ("discover",),
    "pytest_safegen.faults": (
        "Canvas",
        "FAMILIES",
        "Family",
    ),
    "pytest_safegen.judging.calibration": ("limit_at",),
    "pytest_safegen.judging.heatmaps": ("load_heatmap",),
    "pytest_safegen.judging.messages": ("breach_line",),
    "pytest_safegen.prepare.canonical": ("canonical",),
    "pytest_safegen.prepare.guess": ("guess_options",),
    "pytest_safegen.prepare.intensity": (
        "HOUNSFIELD_CEILING",
        "HOUNSFIELD_FLOOR",
    ),
    "pytest_safegen.prepare.options": (
        "Intensity",
        "PrepareOptions",
    ),
    "pytest_safegen.prepare.registration": ("register",),
    "pytest_safegen.prepare.resample": (
        "correlation",
        "halved",
        "resample",
        "spacing_of",
        "to_scan_grid",
    ),
    "pytest_safegen.prepare.template": (
        "Template",
        "align",
    ),
    "pytest_safegen.profiles.io": ("load_profiles",),
    "pytest_safegen.readers": ("read_scan",),
    "pytest_safegen.results.files": (
        "GATE_FILE",
        "RUN_FILE",
        "load_run",
        "read_findings",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])
