"""Build the plug-in manager and ask it for detectors."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from importlib import import_module

import pluggy

from pytest_safegen.config import hookspecs
from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.config.settings import Settings
from pytest_safegen.core.errors import SafegenError, UsageProblem

ENTRY_POINTS = "pytest_safegen"
NAME = re.compile(r"[a-z][a-z0-9_-]*")


def build_manager(settings: Settings, *, extra: Iterable[object] = ()) -> pluggy.PluginManager:
    """A plug-in manager with everything installed, named in the settings, or passed as `extra`."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.load_setuptools_entrypoints(ENTRY_POINTS)
        for plugin in [*map(_import, settings.plugins), *extra]:
            if not manager.is_registered(plugin):
                manager.register(plugin, name=getattr(plugin, "__file__", None))
        manager.check_pending()
    except UsageProblem:
        raise
    except Exception as problem:  # a stranger's code, which may raise anything
        raise UsageProblem(f"A plug-in cannot be used: {_said(problem)}.") from problem
    return manager


def detectors(manager: pluggy.PluginManager, settings: Settings) -> dict[str, Detector]:
    """The detectors in force, by check name, in a fixed order.

    Raises:
        UsageProblem: a check that nobody provides, two detectors of one name, or a plug-in that
            provides something else or cannot make its detectors with these options.
    """
    found: dict[str, Detector] = {}
    for detector in _provided(manager, settings):
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


def _provided(manager: pluggy.PluginManager, settings: Settings) -> list[Detector]:
    try:
        groups = manager.hook.safegen_detectors(settings=settings)
        provided = [detector for group in groups for detector in group]
    except SafegenError:
        raise
    except Exception as problem:  # a stranger's code, which may raise anything
        raise UsageProblem(
            f"A plug-in cannot make its detectors with these settings: {_said(problem)}."
        ) from problem
    for detector in provided:
        usable = isinstance(detector, Detector) and not isinstance(detector, type)
        if not usable or not NAME.fullmatch(str(detector.name)):
            raise UsageProblem(
                f"A plug-in provides {detector!r}, which is no detector: it needs name (lower-case "
                "letters, digits, - and _), version, scope, needs_profile, rules, fit and score."
            )
    return provided


def _import(name: str) -> object:
    try:
        return import_module(name)
    except Exception as problem:  # a stranger's code, which may raise anything
        raise UsageProblem(
            f"The plug-in {name!r} of the settings cannot be imported: {_said(problem)}."
        ) from problem


def _said(problem: Exception) -> str:
    text = str(problem).rstrip(".")
    return text if isinstance(problem, ImportError) else f"{type(problem).__name__}: {text}"


def _refuse_unknown(settings: Settings, found: Iterable[str]) -> None:
    limits = [key.partition(".")[0] for key in settings.thresholds]
    for name in [*settings.checks, *settings.exclude_checks, *limits, *settings.detectors]:
        if name not in found:
            near = difflib.get_close_matches(name, list(found), n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(sorted(found))}."
            raise UsageProblem(f"There is no check named {name!r}. {hint}")
