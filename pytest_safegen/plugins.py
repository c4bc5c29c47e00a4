"""Build the plug-in manager and ask it for detectors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import import_module

import pluggy

from pytest_safegen import hookspecs
from pytest_safegen.config import Settings
from pytest_safegen.errors import UsageProblem
from pytest_safegen.hookspecs import Detector

ENTRY_POINTS = "pytest_safegen"


def build_manager(settings: Settings, *, extra: Iterable[object] = ()) -> pluggy.PluginManager:
    """A plug-in manager with everything installed, named in the settings, or passed as `extra`."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.load_setuptools_entrypoints(ENTRY_POINTS)
    for name in settings.plugins:
        manager.register(_import(name), name=name)
    for plugin in extra:
        if not manager.is_registered(plugin):
            manager.register(plugin)
    manager.check_pending()
    return manager


def detectors(manager: pluggy.PluginManager, settings: Settings) -> dict[str, Detector]:
    """The detectors in force, by check name, in a fixed order.

    Raises:
        UsageProblem: a check that nobody provides, or two detectors of one name.
    """
    found: dict[str, Detector] = {}
    for group in manager.hook.safegen_detectors(settings=settings):
        for detector in group:
            if detector.name in found:
                raise UsageProblem(f"Two plug-ins provide a check named {detector.name!r}.")
            found[detector.name] = detector
    _refuse_unknown(settings, found)
    asked = settings.checks or tuple(found)
    return {
        name: found[name]
        for name in sorted(found)
        if name in asked and name not in settings.exclude_checks
    }


def _import(name: str) -> object:
    try:
        return import_module(name)
    except ImportError as problem:
        raise UsageProblem(
            f"The plug-in {name!r} of the settings cannot be imported: {problem}."
        ) from problem


def _refuse_unknown(settings: Settings, found: Iterable[str]) -> None:
    limits = [key.partition(".")[0] for key in settings.thresholds]
    for name in [*settings.checks, *settings.exclude_checks, *limits, *settings.detectors]:
        if name not in found:
            near = difflib.get_close_matches(name, list(found), n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(sorted(found))}."
            raise UsageProblem(f"There is no check named {name!r}. {hint}")
