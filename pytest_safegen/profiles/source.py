"""Where the profiles of a run come from: a file, the cache, or real scans that are fitted now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_safegen.config.device import resolve_device
from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.config.settings import Settings
from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.core.scan import Release
from pytest_safegen.data.discover import discover
from pytest_safegen.profiles.cache import ProfileCache
from pytest_safegen.profiles.digest import fit_digest
from pytest_safegen.profiles.fit import Fitter
from pytest_safegen.profiles.io import load_profiles, save_profiles
from pytest_safegen.profiles.learn import Progress, silent
from pytest_safegen.profiles.model import ProfileSet


def profiles_for(
    settings: Settings, detectors: Mapping[str, Detector], *, progress: Progress = silent
) -> ProfileSet | None:
    """The profile set that the settings ask for; None if they name no real scans at all.

    Raises:
        ProfileError: a profile that cannot be read, or scans that nothing can be learned from.
    """
    cache = ProfileCache(settings.cache)
    if settings.profile is not None:
        cache.mark_used(settings.profile)
        return load_profiles(settings.profile, detectors)
    if not settings.reference:
        return None
    reference, holdout = discover_real_scans(settings)
    path = cache.path(_digest(settings, detectors, reference, holdout))
    cache.mark_used(path)  # before it is looked for, so that no other run removes it meanwhile
    if not path.is_file():
        fitter = Fitter(detectors, settings.seed, resolve_device(settings.device), progress)
        save_profiles(fitter.fit(reference, holdout), path)
        cache.ignore_in_git()
        cache.prune()
    return load_profiles(path, detectors)


def discover_real_scans(settings: Settings) -> tuple[list[Release], list[Release]]:
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


def _digest(
    settings: Settings,
    detectors: Mapping[str, Detector],
    reference: Sequence[Release],
    holdout: Sequence[Release],
) -> str:
    refs, held = (
        [ref for release in part for ref in release.refs] for part in (reference, holdout)
    )
    return fit_digest(refs, held, detectors, seed=settings.seed)
