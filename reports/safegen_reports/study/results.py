"""Writes what a reader study found: `results.html`, `results.md`, `results.json`, `answers.csv`."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from pytest_safegen.api import UsageProblem, write_bytes, write_text
from safegen_reports import html
from safegen_reports.html.axes import Axis, Mark
from safegen_reports.study.model import read_key, read_readings
from safegen_reports.study.rows import WITH, WITHOUT, Row, conditions, rows_of
from safegen_reports.study.statistics import (
    Comparison,
    Effect,
    Estimate,
    accuracy,
    agreement,
    anova,
    compared,
    mean,
    sensitivity,
    specificity,
)

STYLE = Path(html.__file__).parent / "assets" / "report.css"
AXIS = Axis(0.0, 1.0, 150.0, 640.0)
COLUMNS = ("reader", "target", "kind", "condition")


@dataclass(frozen=True, slots=True)
class Line:
    """One reader, or all of them, in one condition."""

    who: str
    condition: str
    accuracy: Estimate | None
    sensitivity: Estimate | None
    specificity: Estimate | None
    confidence: Estimate | None
    realism_real: Estimate | None
    realism_synthetic: Estimate | None
    usefulness: Estimate | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that the analysis found; `notes` say what could not be tested, and why."""

    readers: int
    cases: int
    lines: tuple[Line, ...]
    agreements: Mapping[str, Estimate | None]
    comparisons: tuple[Comparison, ...]
    effects: tuple[Effect, ...]
    notes: tuple[str, ...]


def write_results(key_path: Path, answer_paths: Sequence[Path], folder: Path) -> Results:
    """Analyse the answers and write the files; raises UsageProblem for files that do not fit."""
    if importlib.util.find_spec("statsmodels") is None:
        raise UsageProblem(
            "The analysis needs statsmodels: pip install 'pytest-safegen[reader-study]'."
        )
    key = read_key(key_path)
    rows = rows_of(key, read_readings(answer_paths, key))
    results = analysed(rows)
    environment = Environment(
        loader=PackageLoader("safegen_reports.study"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"estimate": said, "place": _place}
    write_bytes(folder / "assets" / STYLE.name, STYLE.read_bytes())
    for name in ("results.html", "results.md"):
        write_text(folder / name, environment.get_template(name).render(found=results))
    write_text(folder / "results.json", json.dumps(asdict(results), indent=1) + "\n")
    write_text(folder / "answers.csv", _table(rows))
    return results


def analysed(rows: Sequence[Row]) -> Results:
    """All numbers of the study."""
    readers = sorted({row.reader for row in rows})
    named = [(f"reader {reader}", [r for r in rows if r.reader == reader]) for reader in readers]
    named += [("all readers", list(rows))] if len(readers) > 1 else []
    lines = tuple(
        _line(who, condition, [row for row in group if row.condition == condition])
        for who, group in named
        for condition in conditions(rows)
    )
    both = {WITH, WITHOUT} <= set(conditions(rows))
    tested = both and len(readers) > 1
    tests = [compared(name, rows, outcome) for name, outcome in OUTCOMES.items()] if tested else []
    effects = [e for name, f in OUTCOMES.items() for e in anova(name, rows, f)] if tested else []
    agreements = {
        condition: agreement([row for row in rows if row.condition == condition])
        for condition in conditions(rows)
    }
    comparisons = tuple(test for test in tests if test is not None)
    return Results(
        len(readers),
        len({row.token for row in rows}),
        lines,
        agreements,
        comparisons,
        tuple(effects),
        tuple(_notes(len(readers), comparisons, both=both)),
    )


def _accuracy(rows: Sequence[Row]) -> float:
    return float(np.mean([row.correct for row in rows]))


def _confidence(rows: Sequence[Row]) -> float:
    return float(np.mean([row.said.confidence for row in rows]))


def _log_seconds(rows: Sequence[Row]) -> float:
    return float(np.mean([np.log(max(row.said.seconds, 0.01)) for row in rows]))


OUTCOMES: dict[str, Callable[[Sequence[Row]], float]] = {
    "accuracy": _accuracy,
    "confidence": _confidence,
    "log of decision time": _log_seconds,
}


def said(estimate: Estimate | None, digits: int = 2) -> str:
    """A number with its interval in words."""
    if estimate is None:
        return "–"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.{digits}f}"
    low, high = (f"{value:.{digits}f}" for value in (estimate.low, estimate.high))
    return f"{estimate.value:.{digits}f} ({low}\u00a0to\u00a0{high})"


def _place(value: float) -> Mark:
    """Where a share lies on the axis of the plot."""
    return AXIS.mark(value)


def _line(who: str, condition: str, rows: Sequence[Row]) -> Line:
    return Line(
        who,
        condition,
        accuracy(rows),
        sensitivity(rows),
        specificity(rows),
        mean([row.said.confidence for row in rows]),
        mean([row.said.realism for row in rows if not row.is_synthetic]),
        mean([row.said.realism for row in rows if row.is_synthetic]),
        mean([row.said.usefulness for row in rows if row.said.usefulness is not None]),
        float(np.median([row.said.seconds for row in rows])),
    )


def _notes(readers: int, comparisons: Sequence[Comparison], *, both: bool) -> list[str]:
    notes = ["The intervals of all readers together take answers as independent of each other."]
    if readers < 2:
        notes.append("One reader: agreement and tests over readers need two or more.")
    elif not both:
        notes.append("One condition: there is nothing to compare heatmaps with.")
    elif len(comparisons) < len(OUTCOMES):
        notes.append("Where all readers differ by the same, there is no test.")
    if 1 < readers < 6:
        notes.append(
            f"Tests over {readers} readers find only very large effects; read the intervals."
        )
    return notes


def _table(rows: Sequence[Row]) -> str:
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    answers = ("answer", "confidence", "realism", "usefulness", "seconds", "period")
    writer.writerow([*COLUMNS, "correct", *answers])
    for row in rows:
        known = [getattr(row, name) for name in COLUMNS]
        writer.writerow([*known, int(row.correct), *(getattr(row.said, name) for name in answers)])
    return stream.getvalue()
