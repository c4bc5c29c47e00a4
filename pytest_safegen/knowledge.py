"""Where the profiles of a run come from: a file, a cache, or real scans that are fitted now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_safegen.config import Settings
from pytest_safegen.discover import discover
from pytest_safegen.errors import ProfileError, UsageProblem
from pytest_safegen.fitting import Fitter, Progress, fit_digest, silent
from pytest_safegen.hookspecs import Detector
from pytest_safegen.model import Release
from pytest_safegen.pipeline import NO_REAL_SCANS, Pipeline, resolve_device
from pytest_safegen.profiles import ProfileSet, load, save


def pipeline_for(
    settings: Settings, detectors: Mapping[str, Detector], *, progress: Progress = silent
) -> Pipeline:
    """A pipeline with all that is known of real scans; fits a profile if there is none yet.

    Where nothing can be learned from the real scans, the checks that need it say why.

    Raises:
        ProfileError: a profile file that cannot be read.
    """
    try:
        profiles = profiles_for(settings, detectors, progress=progress)
    except ProfileError as problem:
        if settings.profile is not None:
            raise
        return Pipeline(settings, detectors, None, no_profile=str(problem))
    return Pipeline(settings, detectors, profiles, no_profile=NO_REAL_SCANS)


def profiles_for(
    settings: Settings, detectors: Mapping[str, Detector], *, progress: Progress = silent
) -> ProfileSet | None:
    """The profile set that the settings ask for; None if they name no real scans at all.

    Raises:
        ProfileError: a profile that cannot be read, or scans that nothing can be learned from.
    """
    if settings.profile is not None:
        return load(settings.profile, detectors)
    if not settings.reference:
        return None
    reference, holdout = real_scans(settings)
    path = _cached(settings, detectors, reference, holdout)
    if not path.is_file():
        fitter = Fitter(detectors, settings.seed, resolve_device(settings.device), progress)
        save(fitter.fit(reference, holdout), path)
        (settings.cache.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    return load(path, detectors)


def real_scans(settings: Settings) -> tuple[list[Release], list[Release]]:
    """What discovery finds in the reference and in the holdout folders.

    Raises:
        UsageProblem: a folder that is not there or holds no scan.
    """
    found = []
    for roots in (settings.reference, settings.holdout):
        releases = [discover(root) for root in roots]
        for release in releases:
            if not release.refs:
                raise UsageProblem(f"There is no scan in the folder of real scans {release.root}.")
        found.append(releases)
    return found[0], found[1]


def _cached(
    settings: Settings,
    detectors: Mapping[str, Detector],
    reference: Sequence[Release],
    holdout: Sequence[Release],
) -> Path:
    refs, held = (
        [ref for release in part for ref in release.refs] for part in (reference, holdout)
    )
    digest = fit_digest(refs, held, detectors, seed=settings.seed)
    return settings.cache / f"{digest}.safegen"
