"""From command line, ini and settings file to one frozen Settings."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from pytest_safegen.config.options import OPTIONS, Option
from pytest_safegen.core.errors import UsageProblem

PROJECT = "pyproject.toml"

Text = Annotated[str, msgspec.Meta(min_length=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Shape(NamedTuple):
    """The type that a raw value must have, and how a message puts it."""

    type: Any
    expected: str


SHAPES: Mapping[str, Shape] = {
    "paths": Shape(Text | list[Text], "a path or a list of paths"),
    "path": Shape(Text, "a path"),
    "words": Shape(str | list[str], "text or a list of texts"),
    "lines": Shape(str | list[str], "text or a list of texts"),
    "table": Shape(
        str | list[str] | dict[str, Any],
        "CHECK=EXPR or CHECK.MEASURE=EXPR, such as anomaly=p<=0.01",
    ),
    "text": Shape(str, "text"),
    "choice": Shape(str, "text"),
    "integer": Shape(Count, "an integer >= 0"),
}
"""By the kind of an option."""

FILE_SHAPES: Mapping[str, Shape] = {
    "plugins": Shape(tuple[str, ...], "a list of module names"),
    "detectors": Shape(dict[str, dict[str, Any]], "a table of options for each detector"),
}
"""By key, of the keys that only a settings file has."""

LIMIT = Shape(str | int | float, "a limit: a number, or text such as '<=0.3'")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is asked to do; fields are named after the options.

    `root` is the project folder (pytest's rootdir), where `.safegen/` lies. `thresholds` maps
    `CHECK` or `CHECK.MEASURE` to an expression; `detectors` maps a detector to its options.
    """

    root: Path
    data: tuple[Path, ...] = ()
    reference: tuple[Path, ...] = ()
    holdout: tuple[Path, ...] = ()
    profile: Path | None = None
    checks: tuple[str, ...] = ()
    exclude_checks: tuple[str, ...] = ()
    thresholds: Mapping[str, str] = field(default_factory=dict)
    config: Path | None = None
    device: str = "auto"
    report: Path = Path("safegen-report")
    heatmaps: str = "failed"
    explain: str = "failed"
    generator: str | None = None
    history: str = ""
    baseline: str | None = None
    baseline_report: Path | None = None
    fail_on_regression: tuple[str, ...] = ()
    missing_baseline: str = "pass"
    min_scans: int = 1
    self_test: int = 0
    mode: str = "enforce"
    waivers: Path | None = None
    viewer: str = "slices"
    picture_budget: int = 100
    mlflow: str = ""
    seed: int = 0
    plugins: tuple[str, ...] = ()
    detectors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        """The folder where fitted profiles are kept between runs."""
        return self.root / ".safegen" / "profiles"

    @property
    def history_url(self) -> str:
        """The URL of the database of runs, or "none"."""
        return self.history or f"sqlite:///{self.root / '.safegen' / 'history.db'}"


def resolve(
    *,
    root: Path,
    command_line: Mapping[str, Any],
    ini: Mapping[str, Any],
    here: Path | None = None,
) -> Settings:
    """One Settings from three sources: command line > ini > settings file.

    `command_line` and `ini` hold raw values by option name, None or empty where not given.
    Paths on the command line are relative to `here` (default `root`), those of the ini to `root`,
    and those of a settings file to its folder.

    Raises:
        UsageProblem: an unknown key, an invalid value, or a file that cannot be read.
    """
    sources = ((_given(ini), root), (_given(command_line), here or root))
    files = [
        _value("config", source["config"], base) for source, base in sources if "config" in source
    ]
    from_file, folder = read_settings_file(root, files[-1] if files else None)
    values: dict[str, Any] = {}
    for source, base in ((from_file, folder), *sources):
        values |= {key: _value(key, value, base) for key, value in source.items()}
    values.setdefault("report", root / "safegen-report")
    return Settings(root=root, **values)


def read_settings_file(root: Path, file: Path | None) -> tuple[dict[str, Any], Path]:
    """The raw table of the settings file, and the folder that its paths are relative to."""
    if file is not None:
        return _table_of(file), file.parent
    for name in ("safegen.toml", PROJECT):
        if (root / name).is_file():
            return _table_of(root / name), root
    return {}, root


def _given(source: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in source.items() if value not in (None, [], "")}


def _table_of(file: Path) -> dict[str, Any]:
    """The settings in a file: its [tool.safegen], or all of it if it is not a pyproject.toml."""
    table = _parse(file)
    tool = table.get("tool", {})
    own = tool.get("safegen", {}) if isinstance(tool, dict) else {}
    if "tool" not in table and file.name != PROJECT:
        own = table
    if not isinstance(own, dict):
        raise UsageProblem(f"tool.safegen is not a table in {file}; start it with [tool.safegen].")
    return own


def _parse(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageProblem(f"Cannot read the settings file {file}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageProblem(f"The settings file {file} is not valid TOML: {error}.") from error


def _value(key: str, raw: Any, base: Path) -> Any:
    """The value of one setting; paths are relative to `base`."""
    if key in FILE_SHAPES:
        return _checked(raw, FILE_SHAPES[key], key)
    option = next((option for option in OPTIONS if option.name == key), None)
    if option is None:
        raise _unknown(key)
    value = _checked(raw, SHAPES[option.kind], key, option.flag)
    items = [value] if isinstance(value, str) else value
    match option.kind:
        case "paths":
            return tuple(_path(item, base, option) for item in items)
        case "path":
            return _path(value, base, option)
        case "words":
            return tuple(word.strip() for item in items for word in item.split(",") if word.strip())
        case "lines":
            return tuple(line.strip() for line in items if line.strip())
        case "table":
            return dict(_limits(items, option))
        case "choice" if value not in option.choices:
            raise _invalid(key, raw, f"one of {', '.join(option.choices)}", option.flag)
    return value


def _checked(raw: Any, shape: Shape, key: str, flag: str = "") -> Any:
    """The raw value in the type of its shape; numbers may be given as text."""
    text = raw.strip() if shape.type is Count and isinstance(raw, str) else raw
    try:
        return msgspec.convert(text, shape.type, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(key, raw, shape.expected, flag) from error


def _path(text: str, base: Path, option: Option) -> Path:
    try:
        return Path(os.path.normpath((base / Path(text).expanduser()).absolute()))
    except (ValueError, RuntimeError) as error:  # a null byte, the home of nobody
        raise _invalid(option.name, text, SHAPES["path"].expected, option.flag) from error


def _limits(given: list[str] | dict[str, Any], option: Option) -> Iterator[tuple[str, str]]:
    """Limits by check or measure; `anomaly.peak = 3` in TOML is a table in a table."""
    if isinstance(given, dict):
        yield from _flat(given, option)
        return
    for item in given:
        key, _, limit = (part.strip() for part in item.partition("="))
        if not (key and limit):
            raise _invalid(option.name, item, SHAPES["table"].expected, option.flag)
        yield key, limit


def _flat(table: Mapping[str, Any], option: Option, before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, option, f"{before}{key}.")
        else:
            name = f"{option.name}.{before}{key}"
            yield before + key, str(_checked(value, LIMIT, name, option.flag))


def _invalid(name: str, raw: Any, expected: str, flag: str) -> UsageProblem:
    source = f" ({flag})" if flag else ""
    return UsageProblem(f"Invalid {name}={raw!r}: expected {expected}{source}.")


def _unknown(key: str) -> UsageProblem:
    known = [*FILE_SHAPES, *(option.name for option in OPTIONS)]
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Known settings: {', '.join(sorted(known))}."
    return UsageProblem(f"Unknown setting {key!r}. {hint}")
