"""The pytest plug-in at start-up: options, markers, fixtures; light, for every pytest run loads it.

Everything else is in `pytest_plugin`, imported only if there are synthetic scans to judge.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_safegen.config.options import OPTIONS, Option
from pytest_safegen.pytest_plugin.constants import FIXTURES, GATE_NAME

if TYPE_CHECKING:
    from pytest_safegen.core.scan import Release, Scan, Series
    from pytest_safegen.pytest_plugin.collection import Gate


LISTS = ("paths", "words", "lines", "table")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Every option as `--safegen-name` and as ini `safegen_name`."""
    group = parser.getgroup("safegen", "safegen: gate for synthetic medical images")
    for option in OPTIONS:
        group.addoption(option.flag, dest=f"safegen_{option.name}", **_argument(option))
        kind: Any = "linelist" if option.kind in LISTS else "string"
        parser.addini(f"safegen_{option.name}", option.help, type=kind, default=None)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Keep pytest from running a conftest.py found among the scans."""
    given = vars(early_config.known_args_namespace)
    if _may_have_data(early_config, given):
        from pytest_safegen.pytest_plugin.conftest_guard import block_conftests

        block_conftests(early_config, given)


def pytest_configure(config: pytest.Config) -> None:
    """Register markers, and the gate itself if there is data to judge."""
    config.addinivalue_line("markers", "safegen: a check of the gate on a synthetic scan or series")
    config.addinivalue_line("markers", "safegen_check(name): the name of that check")
    if _may_have_data(config, vars(config.option)):
        from pytest_safegen.pytest_plugin.registration import register

        register(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that uses a safegen fixture once for each scan, series or data folder."""
    for fixture in FIXTURES:
        if fixture in metafunc.fixturenames:
            gate = gate_of(metafunc.config)
            values = gate.parameters(fixture) if gate else {}
            metafunc.parametrize(fixture, list(values.values()), ids=list(values), indirect=True)


@pytest.fixture
def safegen_scan(request: pytest.FixtureRequest) -> Scan:
    """One synthetic scan, read: `.voxels` (i, j, k), `.affine`, `.mask`, `.ref`."""
    from pytest_safegen.core.errors import ReadError
    from pytest_safegen.readers import read_scan

    try:
        return read_scan(request.param)
    except ReadError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def safegen_series(request: pytest.FixtureRequest) -> Series:
    """All scans of one synthetic patient, in time order: `.subject`, `.refs`."""
    series: Series = request.param
    return series


@pytest.fixture
def safegen_release(request: pytest.FixtureRequest) -> Release:
    """Everything found in one data folder: `.root`, `.series`, `.refs`, `.left_out`."""
    release: Release = request.param
    return release


def gate_of(config: pytest.Config) -> Gate | None:
    """The gate of this pytest run; None where there is no data."""
    gate: Gate | None = config.pluginmanager.get_plugin(GATE_NAME)
    return gate


def _argument(option: Option) -> dict[str, Any]:
    argument: dict[str, Any] = {"help": option.help, "metavar": option.metavar, "default": None}
    if option.kind in LISTS:
        argument["action"] = "append"
    if option.choices:
        argument["choices"] = option.choices
    if option.kind == "integer":
        argument["type"] = int
    return argument


def _may_have_data(config: pytest.Config, given: Mapping[str, Any]) -> bool:
    """True if some source of settings may name data; costs a look at two small files.

    `given` are the options of the command line.
    """
    if given.get("safegen_data") or given.get("safegen_config"):
        return True
    if config.getini("safegen_data") or config.getini("safegen_config"):
        return True
    if (config.rootpath / "safegen.toml").is_file():
        return True
    return _has_table(config.rootpath / "pyproject.toml")


def _has_table(project: Path) -> bool:
    """True if a pyproject.toml has a table for the gate, however it is written."""
    if not project.is_file():
        return False
    text = project.read_bytes().decode("utf-8", "replace")
    if "safegen" not in text:
        return False
    try:
        tool = tomllib.loads(text).get("tool", {})
    except tomllib.TOMLDecodeError:
        return True  # the error is reported when the settings are read
    return isinstance(tool, dict) and "safegen" in tool
