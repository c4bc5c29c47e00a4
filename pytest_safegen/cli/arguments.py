"""What several commands do with their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pytest_safegen.config.settings import Settings, resolve
from pytest_safegen.core.errors import UsageProblem


def settings_with(**options: Any) -> Settings:
    """The settings of the project in the current folder, with the options of a command."""
    return resolve(root=Path.cwd(), command_line=options, ini={})


def add_history_option(parser: argparse.ArgumentParser) -> None:
    """Add `--history URL`."""
    parser.add_argument(
        "--history", metavar="URL", help="database of runs; default: that of the settings"
    )


def history_url(args: argparse.Namespace) -> str:
    """The URL of the history that a command names, else that of the settings."""
    return str(args.history) if args.history else settings_with().history_url


def comma_separated(text: str) -> tuple[str, ...]:
    """The words of a list.

    >>> comma_separated("blur, noise,")
    ('blur', 'noise')
    """
    return tuple(word.strip() for word in text.split(",") if word.strip())


def comma_separated_numbers(text: str) -> tuple[float, ...]:
    """The numbers of a list.

    Raises:
        UsageProblem: something else.
    """
    try:
        return tuple(float(word) for word in comma_separated(text))
    except ValueError as error:
        raise UsageProblem(
            f"Invalid list {text!r}: expected numbers separated by commas, such as 0.2,0.6."
        ) from error


def progress_bar(items: Sequence[Any], label: str) -> Iterable[Any]:
    """The items, with a progress bar on stderr while they are used."""
    from tqdm import tqdm

    return tqdm(items, desc=label, unit="", disable=not items)  # type: ignore[no-any-return]
