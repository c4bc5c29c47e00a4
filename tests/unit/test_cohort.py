"""Patients are held out, and parted into folds, the same way for the same seed."""

from __future__ import annotations

from hypothesis import given, strategies as st

from pytest_safegen.profiles.cohort import folds, hold_out

names = st.lists(st.text(min_size=1), min_size=3, max_size=30, unique=True)


@given(names, st.integers(0, 9))
def test_the_same_seed_holds_out_the_same_subjects(subjects: list[str], seed: int) -> None:
    again = [*reversed(subjects), *subjects]
    assert hold_out(subjects, share=0.3, seed=seed) == hold_out(again, share=0.3, seed=seed)


def test_another_seed_holds_out_other_subjects() -> None:
    subjects = [str(n) for n in range(100)]
    assert hold_out(subjects, share=0.3, seed=0) != hold_out(subjects, share=0.3, seed=1)


@given(names, st.floats(0.0, 1.0))
def test_the_share_that_is_held_out_is_right(subjects: list[str], share: float) -> None:
    assert len(hold_out(subjects, share=share, seed=0)) == max(1, round(share * len(subjects)))


@given(names, st.integers(1, 5))
def test_each_subject_is_in_one_fold(subjects: list[str], count: int) -> None:
    parts = folds(subjects, count=count, seed=0)
    assert sorted(name for part in parts for name in part) == sorted(subjects)


@given(names, st.integers(1, 5))
def test_folds_are_of_nearly_one_size(subjects: list[str], count: int) -> None:
    sizes = [len(part) for part in folds(subjects, count=count, seed=0)]
    assert max(sizes) - min(sizes) <= 1
