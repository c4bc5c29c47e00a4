"""Work side by side leaves the process as it was."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from safegen_detectors import threads
from safegen_detectors.threads import one_thread_each, side_by_side


@pytest.mark.parametrize("before", [1, 2, 3])
def test_the_number_of_threads_is_restored(before: int) -> None:
    usual = torch.get_num_threads()
    torch.set_num_threads(before)
    try:
        with one_thread_each():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == before
    finally:
        torch.set_num_threads(usual)


def test_the_number_of_threads_is_restored_after_an_error() -> None:
    before = torch.get_num_threads()

    with pytest.raises(ValueError, match="no"), one_thread_each():
        raise ValueError("no")

    assert torch.get_num_threads() == before


def test_items_are_worked_on_in_order_each_on_one_thread() -> None:
    with one_thread_each():
        found = side_by_side(lambda n: (n, torch.get_num_threads()), range(5))

    assert found == [(n, 1) for n in range(5)]


def threads_of_a_new_thread() -> int:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


def test_later_threads_start_with_as_many_threads_as_before() -> None:
    usual = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        side_by_side(lambda n: n, range(4))
        assert threads_of_a_new_thread() == 3
    finally:
        torch.set_num_threads(usual)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """The allocator's settings as far as they were changed, by parameter."""
    known: dict[int, int] = {}
    monkeypatch.setattr(threads, "_mallopt", lambda: known.__setitem__)
    for name in threads.ALLOCATOR_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return known


def test_the_settings_of_the_allocator_are_restored(settings: dict[int, int]) -> None:
    with one_thread_each():
        inside = dict(settings)

    assert inside == threads.HOLD_FREED_MEMORY
    assert settings == threads.GLIBC_DEFAULTS


def test_the_settings_of_the_allocator_are_restored_after_an_error(
    settings: dict[int, int],
) -> None:
    with pytest.raises(ValueError, match="no"), one_thread_each():
        raise ValueError("no")

    assert settings == threads.GLIBC_DEFAULTS


@pytest.mark.parametrize("name", threads.ALLOCATOR_VARIABLES)
def test_an_allocator_that_the_user_has_set_is_left_alone(
    settings: dict[int, int], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "2")

    with one_thread_each():
        assert settings == {}

    assert settings == {}
