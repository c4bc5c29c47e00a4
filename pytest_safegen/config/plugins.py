"""The plug-in manager, and the detectors that its plug-ins provide."""

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
    """A plug-in manager with all plug-ins: installed, named in the settings, and `extra`.

    Raises:
        UsageProblem: a plug-in that cannot be imported, or whose hooks do not fit.
    """
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
    except Exception as error:  # foreign code may raise anything
        raise UsageProblem(f"Loading a plug-in failed: {_described(error)}.") from error
    return manager


def detectors(manager: pluggy.PluginManager, settings: Settings) -> dict[str, Detector]:
    """The detectors of a run, by check name, in alphabetical order.

    Raises:
        UsageProblem: an unknown check, two detectors with the same name, or a plug-in that returns
            something else or rejects its options.
    """
    found: dict[str, Detector] = {}
    for detector in _provided(manager, settings):
        if detector.name in found:
            raise UsageProblem(f"Two plug-ins provide a check called {detector.name!r}.")
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
    except Exception as error:  # foreign code may raise anything
        raise UsageProblem(
            f"A plug-in failed to create its detectors with these settings: {_described(error)}."
        ) from error
    for detector in provided:
        usable = isinstance(detector, Detector) and not isinstance(detector, type)
        if not usable or not NAME.fullmatch(str(detector.name)):
            raise UsageProblem(
                f"A plug-in returned {detector!r}, which is not a detector: a detector has name "
                "(lower-case letters, digits, - and _), version, scope, needs_profile, rules, fit "
                "and open."
            )
    return provided


def _import(name: str) -> object:
    try:
        return import_module(name)
    except Exception as error:  # foreign code may raise anything
        raise UsageProblem(
            f"Cannot import the plug-in {name!r} named in the settings: {_described(error)}."
        ) from error


def _described(error: Exception) -> str:
    text = str(error).rstrip(".")
    return text if isinstance(error, ImportError) else f"{type(error).__name__}: {text}"


def _refuse_unknown(settings: Settings, found: Iterable[str]) -> None:
    limits = [key.partition(".")[0] for key in settings.thresholds]
    for name in [*settings.checks, *settings.exclude_checks, *limits, *settings.detectors]:
        if name not in found:
            near = difflib.get_close_matches(name, list(found), n=1)
            known = f"Known checks: {', '.join(sorted(found))}."
            hint = f"Did you mean {near[0]}?" if near else known
            raise UsageProblem(f"Unknown check {name!r}. {hint}")
