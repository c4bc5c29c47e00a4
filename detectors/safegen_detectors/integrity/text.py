"""Numbers as text."""

from __future__ import annotations


def percent(share: float) -> str:
    """A share in percent, with two significant digits below 1 %.

    >>> percent(0.12), percent(0.00064), percent(0.0)
    ('12 %', '0.064 %', '0 %')
    """
    value = 100 * share
    return f"{value:.2g} %" if value < 1 else f"{value:.0f} %"


def counted(count: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "scan"), counted(3, "scan")
    ('1 scan', '3 scans')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"
