"""pytest-safegen: a release gate for synthetic medical images.

Every name of `pytest_safegen.api` is offered here too, resolved on first use, so that importing the
package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_safegen.api import (
        FAMILIES as FAMILIES,
        GATE_FILE as GATE_FILE,
        HOUNSFIELD_CEILING as HOUNSFIELD_CEILING,
        HOUNSFIELD_FLOOR as HOUNSFIELD_FLOOR,
        RUN_FILE as RUN_FILE,
        Affine as Affine,
        BoolArray as BoolArray,
        Breach as Breach,
        Calibration as Calibration,
        Canvas as Canvas,
        DeclaresCode as DeclaresCode,
        Detector as Detector,
        Explains as Explains,
        Fact as Fact,
        Family as Family,
        Finding as Finding,
        Fitted as Fitted,
        FloatArray as FloatArray,
        Heatmap as Heatmap,
        Intensity as Intensity,
        LeavesOut as LeavesOut,
        LeftOut as LeftOut,
        Measure as Measure,
        MeasureLimits as MeasureLimits,
        NotJudged as NotJudged,
        Prepared as Prepared,
        PrepareOptions as PrepareOptions,
        Profile as Profile,
        ProfileError as ProfileError,
        ReadError as ReadError,
        Recalibrates as Recalibrates,
        Release as Release,
        ReleaseTarget as ReleaseTarget,
        Rule as Rule,
        Run as Run,
        SafegenError as SafegenError,
        Scan as Scan,
        ScanRef as ScanRef,
        ScanTarget as ScanTarget,
        Scope as Scope,
        Score as Score,
        ScoreEach as ScoreEach,
        Scorer as Scorer,
        Series as Series,
        SeriesTarget as SeriesTarget,
        Settings as Settings,
        Target as Target,
        Template as Template,
        Unexplained as Unexplained,
        UsageProblem as UsageProblem,
        Verdict as Verdict,
        align as align,
        breach_line as breach_line,
        calibration_of as calibration_of,
        canonical as canonical,
        correlation as correlation,
        discover as discover,
        format_error as format_error,
        guess_options as guess_options,
        halved as halved,
        hookimpl as hookimpl,
        limit_at as limit_at,
        limits_of as limits_of,
        load_heatmap as load_heatmap,
        load_profiles as load_profiles,
        load_run as load_run,
        read_findings as read_findings,
        read_scan as read_scan,
        register as register,
        resample as resample,
        shortened as shortened,
        spacing_of as spacing_of,
        to_scan_grid as to_scan_grid,
        worst as worst,
        write_bytes as write_bytes,
        write_json as write_json,
        write_text as write_text,
    )

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Not `from pytest_safegen import api`, which asks this very function for the name.
    api = import_module("pytest_safegen.api")
    if name == "__all__":
        return ["__version__", *api.__all__]
    if name not in api.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *import_module("pytest_safegen.api").__all__])
