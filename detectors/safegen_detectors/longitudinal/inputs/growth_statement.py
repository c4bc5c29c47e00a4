"""Parses what the metadata state about a lesion's growth: a growth model, or only a direction."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen_detectors.longitudinal.inputs.columns import COLUMN_ALIASES, GROWTH_COLUMNS
from safegen_detectors.longitudinal.inputs.metadata import positive_number, read_label
from safegen_detectors.longitudinal.inputs.pathologies import (
    DAYS_PER_MONTH,
    DAYS_PER_YEAR,
    sphere_diameter,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MODEL_NAMES = {
    "exponential": "exponential",
    "exp": "exponential",
    "linear": "linear",
    "linear radius": "linear",
    "gompertz": "gompertz",
    "logistic": "logistic",
    "fisher": "fisher-kpp",
    "fisher kpp": "fisher-kpp",
    "reaction diffusion": "fisher-kpp",
    "stable": "stable",
}
"""Spellings of a model, in lower case with blanks, and its name here."""

REQUIRED_COLUMNS = {
    "exponential": "doubling_days, growth_rate_per_day or percent_per_month (of volume)",
    "linear": "doubling_days, mm_per_year (of diameter) or radius_mm_per_year",
    "gompertz": "carrying_capacity_ml and gompertz_decay_per_day",
    "logistic": "carrying_capacity_ml, and doubling_days or growth_rate_per_day",
    "fisher-kpp": "diffusion_mm2_per_day and proliferation_per_day",
    "stable": "",
}
"""The columns that each model needs."""

MAX_DAILY_FACTOR = 1e6  # growth of the volume in a day beyond which a number is a typing error

DIRECTION_PATTERNS = (
    (
        1,
        r"grow(?:s|ing|th|n)?|progress(?:es|ed|ing|ion)?|progressive disease|enlarg\w*|expand\w*"
        r"|increas\w* in (?:size|volume)",
    ),
    (0, r"stable|unchanged|stationary"),
    (-1, r"shrink\w*|shrank|regress\w*|decreas\w* in (?:size|volume)"),
)
NEGATION = r"\b(?:no|not|non|without|never|nor|free|absence|stop\w*|ceas\w*|denie[sd])\b|n't\b"
COMPOUND_NOUN = r"\s+(?:hormone|factor|plate)"


@dataclass(frozen=True, slots=True)
class GrowthStatement:
    """A growth model as stated; `numbers` are in ml, mm and days, by column."""

    model: str
    numbers: Mapping[str, float]

    def volume(self, first: float, days: float) -> float:
        """The stated volume (ml) some days after a first volume (ml)."""
        return _MODELS[self.model](first, days, self.numbers)

    def log_ratio(self, first: float, *, days_before: float, days: float) -> float:
        """ln(V2/V1) over `days`, from `days_before` after the first volume (ml) on."""
        start, end = (self.volume(first, day) for day in (days_before, days_before + days))
        return math.log(end / start)

    @property
    def summary(self) -> str:
        """The model and its numbers, for a message."""
        given = ", ".join(f"{name} {number:g}" for name, number in self.numbers.items())
        return f"{self.model}{f', {given}' if given else ''}"


@dataclass(frozen=True, slots=True)
class UnusableStatement:
    """A statement that cannot be compared, with the reason as a clause."""

    reason: str


def parse_growth_statement(labels: Mapping[str, str]) -> GrowthStatement | UnusableStatement | None:
    """The growth that a scan's labels state; None where they state none."""
    name = read_label(labels, "growth_model")
    columns = _growth_columns(labels)
    if name is None and not columns:
        return None
    model = _model_from_name(name) if name else _model_from_columns(columns)
    if model is None:
        known = ", ".join(REQUIRED_COLUMNS)
        return UnusableStatement(f"the growth model {name} is unknown; expected one of {known}")
    numbers = {
        key: number for key in GROWTH_COLUMNS if (number := positive_number(columns.get(key)))
    }
    statement = GrowthStatement(model, numbers)
    try:
        after_a_day = statement.volume(1.0, 1.0)
    except (KeyError, ArithmeticError, ValueError):
        after_a_day = math.nan
    if not (math.isfinite(after_a_day) and after_a_day < MAX_DAILY_FACTOR):
        return UnusableStatement(
            f"the stated {model} growth cannot be compared: it needs {REQUIRED_COLUMNS[model]} as "
            f"positive, plausible numbers, but has {_format_columns(columns)}"
        )
    return statement


def parse_growth_direction(labels: Mapping[str, str]) -> int | None:
    """1 growing, 0 stable, -1 shrinking; None where the text says neither, or contradicts itself.

    Read from the columns `growth` and `prompt`. A clause with "no", "not" or the like does not
    count, nor do compounds such as "slow-growing" and "progression-free".
    """
    text = "; ".join(filter(None, (read_label(labels, "growth"), read_label(labels, "prompt"))))
    clauses = [part for part in re.split(r"[.,;:]|\bbut\b", text) if not re.search(NEGATION, part)]
    found = {
        sign
        for sign, pattern in DIRECTION_PATTERNS
        if any(_mentions(pattern, clause) for clause in clauses)
    }
    return found.pop() if len(found) == 1 else None


def _mentions(pattern: str, clause: str) -> bool:
    return bool(re.search(rf"(?<![\w-])(?:{pattern})(?![\w-])(?!{COMPOUND_NOUN})", clause))


def _growth_columns(labels: Mapping[str, str]) -> dict[str, str]:
    """The text of each growth column that a scan's labels fill, under its own name."""
    texts = {COLUMN_ALIASES.get(key, key): read_label(labels, key) for key in labels}
    return {
        name: text for name, text in texts.items() if name in GROWTH_COLUMNS and text is not None
    }


def _model_from_name(name: str) -> str | None:
    return MODEL_NAMES.get(re.sub(r"[\s_-]+", " ", name).strip())


def _model_from_columns(columns: Mapping[str, str]) -> str:
    """The model to which numbers without a model's name belong."""
    if "diffusion_mm2_per_day" in columns:
        return "fisher-kpp"
    if "gompertz_decay_per_day" in columns:
        return "gompertz"
    if "carrying_capacity_ml" in columns:
        return "logistic"
    return "linear" if {"mm_per_year", "radius_mm_per_year"} & set(columns) else "exponential"


def _format_columns(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {text}" for name, text in columns.items()) or "none"


def _exponential_rate(numbers: Mapping[str, float]) -> float:
    """Exponential rate of the volume, 1/day."""
    if "growth_rate_per_day" in numbers:
        return numbers["growth_rate_per_day"]
    if "percent_per_month" in numbers:
        return math.log(1 + numbers["percent_per_month"] / 100) / DAYS_PER_MONTH
    return math.log(2) / numbers["doubling_days"]


def _bounded_exp(exponent: float) -> float:
    return math.exp(min(exponent, 50.0))


def _exponential(first: float, days: float, numbers: Mapping[str, float]) -> float:
    return first * _bounded_exp(_exponential_rate(numbers) * days)


def _logistic(first: float, days: float, numbers: Mapping[str, float]) -> float:
    most = numbers["carrying_capacity_ml"]
    return most / (1 + (most / first - 1) / _bounded_exp(_exponential_rate(numbers) * days))


def _gompertz(first: float, days: float, numbers: Mapping[str, float]) -> float:
    most, decay = numbers["carrying_capacity_ml"], numbers["gompertz_decay_per_day"]
    return most * math.exp(math.log(first / most) * math.exp(-decay * days))


def _linear(first: float, days: float, numbers: Mapping[str, float]) -> float:
    """The radius grows by the same length each day.

    With a doubling time only, the volume doubles for the first time after it.
    """
    radius = sphere_diameter(first) / 2
    if "radius_mm_per_year" in numbers:
        speed = numbers["radius_mm_per_year"] / DAYS_PER_YEAR
    elif "mm_per_year" in numbers:
        speed = numbers["mm_per_year"] / 2 / DAYS_PER_YEAR
    else:
        speed = radius * (2 ** (1 / 3) - 1) / numbers["doubling_days"]
    return first * (1 + speed * days / radius) ** 3


def _fisher_kpp(first: float, days: float, numbers: Mapping[str, float]) -> float:
    """The front moves at v = 2 sqrt(D rho) (Fisher 1937)."""
    diffusion, proliferation = numbers["diffusion_mm2_per_day"], numbers["proliferation_per_day"]
    speed = 2 * math.sqrt(diffusion * proliferation)
    return first * (1 + speed * days / (sphere_diameter(first) / 2)) ** 3


def _stable(first: float, days: float, numbers: Mapping[str, float]) -> float:  # noqa: ARG001 - as the others
    return first


_MODELS: Mapping[str, Callable[[float, float, Mapping[str, float]], float]] = {
    "exponential": _exponential,
    "linear": _linear,
    "gompertz": _gompertz,
    "logistic": _logistic,
    "fisher-kpp": _fisher_kpp,
    "stable": _stable,
}
