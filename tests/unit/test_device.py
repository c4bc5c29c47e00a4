"""The device that computes: the one asked for, or the best there is."""

from __future__ import annotations

import pytest

from pytest_safegen.config.device import resolve_device
from pytest_safegen.core.errors import UsageProblem


def test_the_device_cpu_is_always_there() -> None:
    assert resolve_device("cpu") == "cpu"


@pytest.mark.parametrize(
    ("asked", "probe"),
    [("cuda", "torch.cuda.is_available"), ("mps", "torch.backends.mps.is_available")],
)
def test_a_device_that_is_not_there_is_a_users_mistake(
    monkeypatch: pytest.MonkeyPatch, asked: str, probe: str
) -> None:
    monkeypatch.setattr(probe, lambda: False)
    with pytest.raises(UsageProblem) as caught:
        resolve_device(asked)
    assert str(caught.value) == (
        f"{asked.upper()} was requested, but PyTorch finds no {asked.upper()} device. "
        "Use --safegen-device=auto or cpu."
    )


@pytest.mark.parametrize(("there", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_the_best_device(
    monkeypatch: pytest.MonkeyPatch, there: bool, expected: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: there)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert resolve_device("auto") == expected
