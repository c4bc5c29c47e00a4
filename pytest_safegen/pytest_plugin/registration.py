"""Register what a pytest run of the gate is made of."""

from __future__ import annotations

import pytest

from pytest_safegen.core.errors import SafegenError
from pytest_safegen.pytest_plugin.collection import Gate
from pytest_safegen.pytest_plugin.constants import GATE_NAME
from pytest_safegen.pytest_plugin.controller import Controller
from pytest_safegen.pytest_plugin.execution import Execution
from pytest_safegen.pytest_plugin.finish import Finish
from pytest_safegen.pytest_plugin.plan import Plan
from pytest_safegen.pytest_plugin.settings import settings_of
from pytest_safegen.pytest_plugin.terminal import Terminal
from pytest_safegen.pytest_plugin.workers import Workers


def register(config: pytest.Config) -> None:
    """Register the gate if the settings name data.

    Raises:
        pytest.UsageError: invalid settings, or data folders that do not exist.
    """
    try:
        settings = settings_of(config, vars(config.option))
        if not settings.data:
            return
        plan = Plan.of(settings, plugins_of_pytest=config.pluginmanager.get_plugins())
        execution = Execution(config, plan)
        gate = Gate(config, plan, execution.judge)
    except SafegenError as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(gate, GATE_NAME)
    config.pluginmanager.register(execution, f"{GATE_NAME}-execution")
    if not hasattr(config, "workerinput"):
        _register_controller(config, plan, gate, execution)


def _register_controller(
    config: pytest.Config, plan: Plan, gate: Gate, execution: Execution
) -> None:
    """Register what only the main process has."""
    controller = Controller(config, plan, execution)
    finish = Finish(controller, gate.selection)
    config.pluginmanager.register(controller, f"{GATE_NAME}-controller")
    config.pluginmanager.register(finish, f"{GATE_NAME}-finish")
    config.pluginmanager.register(Terminal(plan, finish), f"{GATE_NAME}-terminal")
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(Workers(controller.add_collected), f"{GATE_NAME}-workers")
