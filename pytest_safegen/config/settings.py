"""From command line, ini and settings file to one frozen Settings."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_safegen.config.options import FILE_ONLY, OPTIONS, Option
from pytest_safegen.core.errors import UsageProblem

PROJECT = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a run was asked to do; names are those of the options.

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
    model: str | None = None
    store: str = ""
    baseline: str | None = None
    baseline_report: Path | None = None
    fail_on_regression: tuple[str, ...] = ()
    first_run: str = "pass"
    min_scans: int = 1
    canaries: int = 0
    mode: str = "enforce"
    waivers: Path | None = None
    viewer: str = "slices"
    images: int = 100
    mlflow: str = ""
    seed: int = 0
    plugins: tuple[str, ...] = ()
    detectors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        """Where fitted profiles are kept between runs."""
        return self.root / ".safegen" / "profiles"

    @property
    def history(self) -> str:
        """The URL of the store of runs, or "none"."""
        return self.store or f"sqlite:///{self.root / '.safegen' / 'history.db'}"


def resolve(
    *,
    root: Path,
    command_line: Mapping[str, Any],
    ini: Mapping[str, Any],
    here: Path | None = None,
) -> Settings:
    """One Settings from three sources: command line > ini > settings file.

    `command_line` and `ini` hold raw values by option name, None or empty where not given.
    Paths on the command line are relative to `here` (default `root`), all others to `root`.

    Raises:
        UsageProblem: an unknown key, a value of the wrong kind, a file that cannot be read.
    """
    asked = {key: value for key, value in command_line.items() if value not in (None, [], "")}
    from_ini = {key: value for key, value in ini.items() if value not in (None, [], "")}
    sources = ((from_ini, root), (asked, here or root))
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
    """The raw table of the settings file, and the folder its paths are relative to."""
    if file is not None:
        return _table_of(file), file.parent
    for name in ("safegen.toml", PROJECT):
        if (root / name).is_file():
            return _table_of(root / name), root
    return {}, root


def _table_of(file: Path) -> dict[str, Any]:
    """The settings of a file: [tool.safegen], or the whole of a file that is no project's."""
    table = _parse(file)
    tool = table.get("tool", {})
    own = tool.get("safegen", {}) if isinstance(tool, dict) else {}
    if "tool" not in table and file.name != PROJECT:
        own = table
    if not isinstance(own, dict):
        raise UsageProblem(f"In {file}, tool.safegen is not a table: begin it with [tool.safegen].")
    return own


def _parse(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise UsageProblem(
            f"The settings file {file} cannot be read: {problem.strerror}."
        ) from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise UsageProblem(f"The settings file {file} is not valid TOML: {problem}.") from problem


def _value(key: str, raw: Any, base: Path) -> Any:
    option = next((option for option in OPTIONS if option.name == key), None)
    if option is None:
        return _file_only(key, raw)
    try:
        return _convert(option, raw, base)
    except (TypeError, ValueError, RuntimeError) as problem:
        raise UsageProblem(
            f"The setting {key} ({option.flag}) cannot be {raw!r}: {problem}."
        ) from problem


def _file_only(key: str, raw: Any) -> Any:
    if key == "plugins" and isinstance(raw, list) and all(isinstance(n, str) for n in raw):
        return tuple(raw)
    if key == "detectors" and isinstance(raw, dict) and all(map(_is_table, raw.values())):
        return raw
    if key in FILE_ONLY:
        what = "a list of module names" if key == "plugins" else "a table of options a detector"
        raise UsageProblem(f"The setting {key} cannot be {raw!r}: it is {what}.")
    known = [*FILE_ONLY, *(option.name for option in OPTIONS)]
    near = difflib.get_close_matches(key, known, n=1)
    hint = f" Did you mean {near[0]}?" if near else f" Known are: {', '.join(sorted(known))}."
    raise UsageProblem(f"The settings have no key {key!r}.{hint}")


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _convert(option: Option, raw: Any, base: Path) -> Any:
    match option.kind:
        case "paths":
            return tuple(_path(item, base) for item in _items(raw))
        case "path":
            return _path(raw, base)
        case "words":
            return tuple(
                word.strip() for item in _items(raw) for word in item.split(",") if word.strip()
            )
        case "lines":
            return tuple(line.strip() for line in _items(raw) if line.strip())
        case "table":
            return _table(raw)
        case "integer":
            return _count(raw)
        case "choice" if raw not in option.choices:
            raise ValueError(f"it is one of {', '.join(option.choices)}")
    if not isinstance(raw, str):
        raise TypeError("it is text")
    return raw


def _items(raw: Any) -> Sequence[str]:
    items = [raw] if isinstance(raw, str | Path) else raw
    if not isinstance(items, list | tuple) or not all(isinstance(i, str | Path) for i in items):
        raise TypeError("it is text or a list of texts")
    return [str(item) for item in items]


def _path(raw: Any, base: Path) -> Path:
    if not isinstance(raw, str | Path):
        raise TypeError("it is a path")
    if not str(raw):
        raise ValueError("it is a path")
    return Path(os.path.normpath((base / Path(raw).expanduser()).absolute()))


def _table(raw: Any) -> dict[str, str]:
    if isinstance(raw, Mapping):
        return dict(_flat(raw))
    pairs = [item.partition("=") for item in _items(raw)]
    if not all(key.strip() and sign and value.strip() for key, sign, value in pairs):
        raise ValueError("it is CHECK=EXPR or CHECK.MEASURE=EXPR, such as anomaly=p<=0.01")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """The limits of a table; `anomaly.peak = 3` in TOML is a table in a table."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        elif isinstance(value, bool) or not isinstance(value, str | int | float):
            raise TypeError(f"the limit of {before}{key} is text or a number")
        else:
            yield before + key, str(value)


def _count(raw: Any) -> int:
    text = str(raw).strip()
    if isinstance(raw, bool) or not (text.isascii() and text.isdigit()):
        raise ValueError("it is a whole number, 0 or more")
    return int(text)
