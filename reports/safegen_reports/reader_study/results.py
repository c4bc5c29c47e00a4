"""Analyse a reader study; write `results.html`, `.md` and `.json`, and `answers.csv`."""

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
from safegen_reports.html.charts import Axis, AxisPosition
from safegen_reports.reader_study.readings import (
    WITH_HEATMAP,
    WITHOUT_HEATMAP,
    Observation,
    conditions,
    observations,
    read_all_answers,
    read_key,
)
from safegen_reports.reader_study.statistics import (
    AnovaEffect,
    Estimate,
    PairedComparison,
    accuracy,
    interreader_kappa,
    mean_estimate,
    paired_t_test,
    repeated_measures_anova,
    sensitivity,
    specificity,
)

STYLESHEET = Path(html.__file__).parent / "assets" / "report.css"
PROPORTION_AXIS = Axis(0.0, 1.0, 150.0, 640.0)
COLUMNS = ("reader", "target", "kind", "condition")


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One reader, or all of them, in one condition."""

    reader: str
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
class StudyResults:
    """All results of the analysis; `notes` list what could not be tested, and why."""

    readers: int
    cases: int
    lines: tuple[SummaryRow, ...]
    agreements: Mapping[str, Estimate | None]
    comparisons: tuple[PairedComparison, ...]
    effects: tuple[AnovaEffect, ...]
    notes: tuple[str, ...]


def write_results(key_path: Path, answer_paths: Sequence[Path], folder: Path) -> StudyResults:
    """Analyse the answers and write the files; raises UsageProblem for files that do not fit."""
    if importlib.util.find_spec("statsmodels") is None:
        raise UsageProblem(
            "The analysis needs statsmodels: pip install 'pytest-safegen[reader-study]'."
        )
    key = read_key(key_path)
    rows = observations(key, read_all_answers(answer_paths, key))
    results = analyse(rows)
    environment = Environment(
        loader=PackageLoader("safegen_reports.reader_study"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"estimate": format_estimate, "place": _axis_position}
    write_bytes(folder / "assets" / STYLESHEET.name, STYLESHEET.read_bytes())
    for name in ("results.html", "results.md"):
        write_text(folder / name, environment.get_template(name).render(found=results))
    write_text(folder / "results.json", json.dumps(asdict(results), indent=1) + "\n")
    write_text(folder / "answers.csv", _answers_csv(rows))
    return results


def analyse(rows: Sequence[Observation]) -> StudyResults:
    """All numbers of the study."""
    readers = sorted({row.reader for row in rows})
    named = [(f"reader {reader}", [r for r in rows if r.reader == reader]) for reader in readers]
    named += [("all readers", list(rows))] if len(readers) > 1 else []
    lines = tuple(
        _summary_row(who, condition, [row for row in group if row.condition == condition])
        for who, group in named
        for condition in conditions(rows)
    )
    both = {WITH_HEATMAP, WITHOUT_HEATMAP} <= set(conditions(rows))
    tested = both and len(readers) > 1
    tests = (
        [paired_t_test(name, rows, outcome) for name, outcome in OUTCOMES.items()] if tested else []
    )
    effects = (
        [e for name, f in OUTCOMES.items() for e in repeated_measures_anova(name, rows, f)]
        if tested
        else []
    )
    agreements = {
        condition: interreader_kappa([row for row in rows if row.condition == condition])
        for condition in conditions(rows)
    }
    comparisons = tuple(test for test in tests if test is not None)
    return StudyResults(
        len(readers),
        len({row.token for row in rows}),
        lines,
        agreements,
        comparisons,
        tuple(effects),
        tuple(_notes(len(readers), comparisons, both=both)),
    )


def _mean_accuracy(rows: Sequence[Observation]) -> float:
    return float(np.mean([row.correct for row in rows]))


def _mean_confidence(rows: Sequence[Observation]) -> float:
    return float(np.mean([row.response.confidence for row in rows]))


def _mean_log_seconds(rows: Sequence[Observation]) -> float:
    return float(np.mean([np.log(max(row.response.seconds, 0.01)) for row in rows]))


OUTCOMES: dict[str, Callable[[Sequence[Observation]], float]] = {
    "accuracy": _mean_accuracy,
    "confidence": _mean_confidence,
    "log of decision time": _mean_log_seconds,
}


def format_estimate(estimate: Estimate | None, digits: int = 2) -> str:
    """A number with its interval as text."""
    if estimate is None:
        return "–"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.{digits}f}"
    low, high = (f"{value:.{digits}f}" for value in (estimate.low, estimate.high))
    return f"{estimate.value:.{digits}f} ({low}\u00a0to\u00a0{high})"


def _axis_position(value: float) -> AxisPosition:
    """Where a share lies on the axis of the plot."""
    return PROPORTION_AXIS.mark(value)


def _summary_row(who: str, condition: str, rows: Sequence[Observation]) -> SummaryRow:
    return SummaryRow(
        who,
        condition,
        accuracy(rows),
        sensitivity(rows),
        specificity(rows),
        mean_estimate([row.response.confidence for row in rows]),
        mean_estimate([row.response.realism for row in rows if not row.is_synthetic]),
        mean_estimate([row.response.realism for row in rows if row.is_synthetic]),
        mean_estimate([each for row in rows if (each := row.response.usefulness) is not None]),
        float(np.median([row.response.seconds for row in rows])),
    )


def _notes(readers: int, comparisons: Sequence[PairedComparison], *, both: bool) -> list[str]:
    notes = ["The intervals of all readers together treat answers as independent."]
    if readers < 2:
        notes.append("One reader: agreement and tests over readers need two or more.")
    elif not both:
        notes.append("One condition: heatmaps cannot be compared with anything.")
    elif len(comparisons) < len(OUTCOMES):
        notes.append("An outcome that differs equally in all readers has no test.")
    if 1 < readers < 6:
        notes.append(
            f"Tests over {readers} readers detect only very large effects; read the intervals."
        )
    return notes


def _answers_csv(rows: Sequence[Observation]) -> str:
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    answers = ("answer", "confidence", "realism", "usefulness", "seconds", "period")
    writer.writerow([*COLUMNS, "correct", *answers])
    for row in rows:
        known = [getattr(row, name) for name in COLUMNS]
        writer.writerow(
            [*known, int(row.correct), *(getattr(row.response, name) for name in answers)]
        )
    return stream.getvalue()
