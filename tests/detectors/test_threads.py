"""Work side by side leaves the process as it was."""

from __future__ import annotations

import pytest
import torch

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
