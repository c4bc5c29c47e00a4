"""Errors for the options of `[detectors.CHECK]` in a settings file."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_safegen.api import UsageProblem


def invalid_option(check: str, option: str, value: object, expected: str) -> UsageProblem:
    """The error for the value of an option.

    >>> str(invalid_option("longitudinal", "deformation", "x", "one of auto, always, never"))
    "Invalid longitudinal.deformation='x': expected one of auto, always, never."
    """
    return UsageProblem(f"Invalid {check}.{option}={value!r}: expected {expected}.")


def refuse_unknown_options(check: str, options: Iterable[str], *known: str) -> None:
    """Raise UsageProblem for an option that the check does not have."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise UsageProblem(
            f"Unknown option {check}.{unknown[0]}: expected "
            + (f"one of {', '.join(known)}." if known else "none.")
        )
