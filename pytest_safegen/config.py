"""From command line, ini and settings file to one frozen Settings."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_safegen.errors import UsageProblem
from pytest_safegen.options import FILE_ONLY, OPTIONS, Option


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
    model: str | None = None
    min_scans: int = 1
    mode: str = "enforce"
    seed: int = 0
    plugins: tuple[str, ...] = ()
    detectors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        """Where fitted profiles are kept between runs."""
        return self.root / ".safegen" / "profiles"


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
    file = asked.get("config") or from_ini.get("config")
    from_file, folder = read_settings_file(root, (here or root) / file if file else None)
    values: dict[str, Any] = {}
    for source, base in ((from_file, folder), (from_ini, root), (asked, here or root)):
        values |= {key: _value(key, value, base) for key, value in source.items()}
    values.setdefault("report", root / "safegen-report")
    return Settings(root=root, **values)


def read_settings_file(root: Path, file: Path | None) -> tuple[dict[str, Any], Path]:
    """The raw table of the settings file, and the folder its paths are relative to."""
    if file is not None:
        table = _parse(file)
        return table.get("tool", {}).get("safegen", table), file.parent
    if (root / "safegen.toml").is_file():
        return _parse(root / "safegen.toml"), root
    if (root / "pyproject.toml").is_file():
        return _parse(root / "pyproject.toml").get("tool", {}).get("safegen", {}), root
    return {}, root


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
    except (TypeError, ValueError) as problem:
        raise UsageProblem(
            f"The setting {key} ({option.flag}) cannot be {raw!r}: {problem}."
        ) from problem


def _file_only(key: str, raw: Any) -> Any:
    if key == "plugins" and isinstance(raw, list):
        return tuple(map(str, raw))
    if key == "detectors" and isinstance(raw, dict):
        return raw
    known = [*FILE_ONLY, *(option.name for option in OPTIONS)]
    near = difflib.get_close_matches(key, known, n=1)
    hint = f" Did you mean {near[0]}?" if near else f" Known are: {', '.join(sorted(known))}."
    raise UsageProblem(f"The settings have no key {key!r}, or not with such a value.{hint}")


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
        case "table":
            return _table(raw)
        case "integer":
            return _count(raw)
        case "choice" if raw not in option.choices:
            raise ValueError(f"it is one of {', '.join(option.choices)}")
    return str(raw)


def _items(raw: Any) -> Sequence[str]:
    items = [raw] if isinstance(raw, str) else raw
    if not all(isinstance(item, str) for item in items):
        raise ValueError("it is text or a list of texts")
    return items


def _path(raw: Any, base: Path) -> Path:
    if not isinstance(raw, str | Path):
        raise TypeError("it is a path")
    return Path(base / Path(raw).expanduser()).absolute()


def _table(raw: Any) -> dict[str, str]:
    if isinstance(raw, Mapping):
        return {str(key): str(value) for key, value in raw.items()}
    pairs = [item.partition("=") for item in _items(raw)]
    if not all(key.strip() and sign and value.strip() for key, sign, value in pairs):
        raise ValueError("it is CHECK=EXPR or CHECK.MEASURE=EXPR, such as anomaly=p<=0.01")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _count(raw: Any) -> int:
    if isinstance(raw, bool) or int(raw) < 0:
        raise ValueError("it is a whole number, 0 or more")
    return int(raw)
