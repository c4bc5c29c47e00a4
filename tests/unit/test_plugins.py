"""The plug-in manager holds what is installed, named or passed, and gives detectors by name."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from stand_in import StandIn

import pytest_safegen
from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.config.plugins import build_manager, detectors
from pytest_safegen.config.settings import Settings
from pytest_safegen.core.errors import UsageProblem

BUILT_IN = ["anomaly", "integrity", "longitudinal", "memorization", "metadata"]


class Plugin:
    """A plug-in that provides what it is given."""

    def __init__(self, *provided: Any) -> None:
        self.provided = provided

    @pytest_safegen.hookimpl
    def safegen_detectors(self) -> Any:
        return self.provided


class Outspoken:
    @pytest_safegen.hookimpl
    def safegen_detectors(self) -> Any:
        raise UsageProblem("The suite is not there.")


class Choosy:
    @pytest_safegen.hookimpl
    def safegen_detectors(self, settings: Settings) -> Any:
        return [StandIn(**settings.detectors.get("stand-in", {}))]


def found(*plugins: object, **asked: Any) -> dict[str, Detector]:
    settings = Settings(Path("/nowhere"), **asked)
    return detectors(build_manager(settings, extra=plugins), settings)


def written(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> str:
    """A module with that text, which can be imported while the test runs; its name."""
    name = f"plugin_in_{re.sub('[^a-z0-9]', '_', folder.name)}"
    (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_the_built_in_checks_are_there() -> None:
    assert list(found()) == BUILT_IN


def test_a_plugin_adds_its_check() -> None:
    assert "stand-in" in found(Plugin(StandIn()))


def test_checks_come_in_one_order() -> None:
    some = Plugin(StandIn("b")), Plugin(StandIn("a"))
    assert list(found(*some)) == list(found(*reversed(some))) == sorted(["a", "b", *BUILT_IN])


def test_only_the_checks_that_are_asked_for_are_in_force() -> None:
    assert list(found(checks=("integrity", "anomaly"))) == ["anomaly", "integrity"]


def test_excluded_checks_are_not_in_force() -> None:
    assert "anomaly" not in found(exclude_checks=("anomaly",))


def test_excluding_goes_before_asking() -> None:
    assert found(checks=("anomaly",), exclude_checks=("anomaly",)) == {}


@pytest.mark.parametrize(
    "asked",
    [
        {"checks": ("anomly",)},
        {"exclude_checks": ("anomly",)},
        {"thresholds": {"anomly": "<=3"}},
        {"thresholds": {"anomly.size": "<=3"}},
        {"detectors": {"anomly": {}}},
    ],
)
def test_a_check_that_nobody_provides_gets_a_hint(asked: dict[str, Any]) -> None:
    with pytest.raises(UsageProblem, match=r"Did you mean anomaly\?"):
        found(**asked)


def test_a_check_that_is_near_nothing_gets_the_list() -> None:
    with pytest.raises(UsageProblem, match="Known checks: anomaly, integrity"):
        found(checks=("zzz",))


def test_two_checks_of_one_name_are_refused() -> None:
    with pytest.raises(UsageProblem, match="Two plug-ins provide a check called 'stand-in'"):
        found(Plugin(StandIn()), Plugin(StandIn()))


@pytest.mark.parametrize(
    "provided",
    [3, "anomaly", StandIn, StandIn("Loud"), StandIn("a.b"), StandIn(""), StandIn("a::b")],
)
def test_what_is_no_detector_is_refused(provided: Any) -> None:
    with pytest.raises(UsageProblem, match="is not a detector"):
        found(Plugin(provided))


def test_options_that_a_detector_does_not_have_are_refused() -> None:
    with pytest.raises(UsageProblem, match="unexpected keyword argument 'sise'"):
        found(Choosy(), detectors={"stand-in": {"sise": 3}})


def test_what_a_plugin_says_to_the_user_is_said_as_it_is() -> None:
    with pytest.raises(UsageProblem, match=r"^The suite is not there\.$"):
        found(Outspoken())


def test_options_of_the_settings_reach_the_detector() -> None:
    assert found(Choosy(), detectors={"stand-in": {"version": "7"}})["stand-in"].version == "7"


def test_a_plugin_that_is_passed_twice_counts_once() -> None:
    plugin = Plugin(StandIn())
    assert "stand-in" in found(plugin, plugin)


def test_a_plugin_without_detectors_does_no_harm() -> None:
    assert list(found(object())) == BUILT_IN


def test_two_plugins_of_one_module_name_live_together(tmp_path: Path) -> None:
    some = []
    for name in ("a", "b"):
        module = ModuleType("conftest")
        module.__file__ = str(tmp_path / name / "conftest.py")
        module.safegen_detectors = Plugin(StandIn(name)).safegen_detectors  # type: ignore[attr-defined]
        some.append(module)
    assert {"a", "b"} <= set(found(*some))


def test_a_module_that_the_settings_name_is_a_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "import pytest_safegen, stand_in\n"
        "@pytest_safegen.hookimpl\n"
        "def safegen_detectors(settings):\n"
        "    return [stand_in.StandIn('mine')]\n"
    )
    assert "mine" in found(plugins=(written(tmp_path, monkeypatch, text),))


def test_an_installed_plugin_may_be_named_too() -> None:
    assert list(found(plugins=("safegen_detectors",))) == BUILT_IN


def test_a_plugin_may_be_named_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = written(tmp_path, monkeypatch, "")
    assert list(found(plugins=(name, name))) == BUILT_IN


def test_a_module_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(UsageProblem, match="Cannot import the plug-in 'no_such_module'"):
        found(plugins=("no_such_module",))


@pytest.mark.parametrize("text", ["1 / 0", "def f(:"])
def test_a_module_that_fails_on_import_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    name = written(tmp_path, monkeypatch, text)
    with pytest.raises(UsageProblem, match=name):
        found(plugins=(name,))


@pytest.mark.parametrize(
    "text", ["def safegen_detector(settings): pass", "def safegen_detectors(config): pass"]
)
def test_a_hook_that_does_not_exist_like_this_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    name = written(
        tmp_path, monkeypatch, f"import pytest_safegen\n@pytest_safegen.hookimpl\n{text}"
    )
    with pytest.raises(UsageProblem, match="Loading a plug-in failed"):
        found(plugins=(name,))
