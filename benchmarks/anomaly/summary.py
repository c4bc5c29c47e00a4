"""From outcomes to the numbers that are written and printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

import numpy as np

from benchmarks.anomaly.comparison import Scored, mean_auroc_interval, paired
from benchmarks.anomaly.fault_types import FaultType
from benchmarks.anomaly.methods_under_test import ALL, OURS, RATES, MethodsUnderTest, ScoredCheck
from benchmarks.anomaly.sizes import Pair, by_size
from benchmarks.anomaly.trial import UNTOUCHED, Outcome
from benchmarks.rates import auroc, rate_of
from safegen_detectors.explain.metrics import average_precision

PLACES = ("ap", "iou", "dice", "oracle_iou", "pointing")
WHOLE = ("auroc", "aupr", "caught", "caught_at_5")
Numbers = dict[str, float]


@dataclass(frozen=True, slots=True)
class Results:
    """All that happened."""

    field: MethodsUnderTest
    kinds: Sequence[FaultType]
    outcomes: Sequence[Outcome]
    seed: int

    def of(self, kind: str, *, dose: bool = False) -> list[Outcome]:
        """The prepared scans of a kind."""
        return [o for o in self.outcomes if o.kind == kind and o.dose == dose and not o.problem]

    def summary(self) -> dict[str, Any]:
        """Everything that depends on the outcomes, for JSON."""
        rows = [self._row(kind) for kind in self.kinds]
        return {
            "seconds": self._seconds(),
            "contestants": {panel.key: self._contestant(panel) for panel in self.field.panels},
            "kinds": rows,
            "means": {name: _means(some) for name, some in parts_of(rows).items()},
            "intervals": self._intervals(),
            "comparisons": comparisons(rows, seed=self.seed),
            "sizes": self._sizes(),
            "dose": self._dose(),
            "faithfulness": self._faithful(),
        }

    def _row(self, kind: FaultType) -> dict[str, Any]:
        found = self.of(kind.name)
        every = [o for o in self.outcomes if o.kind == kind.name and not o.dose]
        return {
            "kind": kind.name,
            "bank": kind.bank,
            "group": kind.group,
            "local": kind.local,
            "judged_without": kind.quarter,
            "scans": len(found),
            "unprepared": len(every) - len(found),
            "problems": sorted({o.problem for o in every if o.problem}),
            "refused": sum(o.refused for o in found),
            "methods": {
                shown(panel): self._numbers(panel, found)
                for panel in self.field.checks_for(kind.quarter)
                if found
            },
        }

    def _numbers(self, panel: ScoredCheck, found: Sequence[Outcome]) -> Numbers:
        scores = [o.scores[panel.key] for o in found]
        clean = [o.scores[panel.key] for o in self.of(UNTOUCHED)]
        limits = panel.limits()
        numbers = {
            "auroc": auroc(scores, clean),
            "aupr": _aupr(scores, clean),
            "caught": _share(scores, limits[0]),
            "caught_at_5": _share(scores, limits[1]),
        }
        places = [o.places[panel.key] for o in found if panel.key in o.places]
        if places:
            numbers |= {
                "ap": fmean(one.precision for one in places),
                "iou": fmean(one.iou for one in places),
                "dice": fmean(one.dice for one in places),
                "oracle_iou": float(np.mean([one.at_limits for one in places], axis=0).max()),
                "pointing": fmean(one.pointed for one in places),
            }
        return {name: round(value, 4) for name, value in numbers.items()}

    def _contestant(self, panel: ScoredCheck) -> dict[str, Any]:
        clean = [o.scores[panel.key] for o in self.of(UNTOUCHED)]
        return {
            "calibrated_on": len(panel.calibration),
            "fit_seconds": round(sum(self.field.parts[name].seconds for name in panel.parts), 1),
            "outline": panel.outline,
            "false_alarms": {
                str(rate): rate_of([score > limit for score in clean]).as_json()
                for rate, limit in zip(RATES, panel.limits(), strict=True)
            },
        }

    def _seconds(self) -> Numbers:
        """Median wall seconds a scan of each step; planting is no part of the gate."""
        names = dict.fromkeys(name for o in self.outcomes for name in o.seconds)
        return {
            name: round(median(o.seconds[name] for o in self.outcomes if name in o.seconds), 4)
            for name in names
        }

    def _intervals(self) -> dict[str, list[float]]:
        """The interval of the mean AUROC over the gate's own bank, patients drawn anew."""
        clean = self.of(UNTOUCHED)
        patients = [o.patient for o in clean]
        by_name: dict[str, list[Scored]] = {}
        for kind in (kind for kind in self.kinds if kind.bank == "safegen"):
            found = self.of(kind.name)
            for panel in self.field.checks_for(kind.quarter) if found else ():
                key = panel.key
                planted = [o.scores[key] for o in found]
                names = [o.patient for o in found]
                one = Scored(planted, names, [o.scores[key] for o in clean], patients)
                by_name.setdefault(shown(panel), []).append(one)
        return {
            name: [round(end, 4) for end in mean_auroc_interval(some, seed=self.seed)]
            for name, some in by_name.items()
        }

    def _sizes(self) -> list[dict[str, Any]]:
        """The gate's check on local faults, by their volume."""
        pairs, clean = [], {}
        for kind in self.kinds:
            (panel,) = (p for p in self.field.checks_for(kind.quarter) if shown(p) == OURS)
            clean[panel.key] = [o.scores[panel.key] for o in self.of(UNTOUCHED)]
            pairs += [Pair(panel, o) for o in self.of(kind.name) if panel.key in o.places]
        return by_size(pairs, clean)

    def _dose(self) -> dict[str, dict[str, Numbers]]:
        """AUROC and share caught of each family at each strength, of the gate's check."""
        table: dict[str, dict[str, Numbers]] = {}
        for kind in self.kinds:
            (panel,) = (p for p in self.field.checks_for(kind.quarter) if shown(p) == OURS)
            found = self.of(kind.name, dose=True)
            for strength in sorted({o.strength for o in found}):
                some = [o for o in found if o.strength == strength]
                numbers = self._numbers(panel, some)
                table.setdefault(kind.name, {})[f"{strength:g}"] = numbers
        return table

    def _faithful(self) -> Numbers | None:
        tested = [asdict(o.faithful) for o in self.outcomes if o.faithful]
        if not tested:
            return None
        means = {name: round(fmean(one[name] for one in tested), 4) for name in tested[0]}
        return {"scans": len(tested), **means}


def shown(panel: ScoredCheck) -> str:
    """The name of a panel in tables, where the quarter is chosen by the fault."""
    return panel.key if panel.variant == ALL else panel.name


def parts_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The rows by what a mean is taken of; only those with rows."""
    own = [row for row in rows if row["bank"] == "safegen" and row["scans"]]
    parts = {
        "local": [row for row in own if row["local"]],
        "global": [row for row in own if not row["local"]],
        "all": own,
        "torchio": [row for row in rows if row["bank"] == "torchio" and row["scans"]],
    }
    return {name: some for name, some in parts.items() if some}


def comparisons(rows: Sequence[Mapping[str, Any]], *, seed: int) -> list[dict[str, Any]]:
    """The gate's check against each other contestant: AUROC over all, precision over local."""
    found = []
    parts = parts_of(rows)
    for part, number in (("all", "auroc"), ("local", "ap"), ("torchio", "auroc")):
        some = parts.get(part, [])
        names = dict.fromkeys(name for row in some for name in row["methods"] if name != OURS)
        for name in names:
            pairs = [
                (row["methods"][OURS][number], row["methods"][name][number])
                for row in some
                if number in row["methods"][OURS] and number in row["methods"].get(name, {})
            ]
            test = paired([a for a, _ in pairs], [b for _, b in pairs], seed=seed)
            if test:
                found.append({"against": name, "number": number, "over": part} | asdict(test))
    return found


def _means(rows: Sequence[Mapping[str, Any]]) -> dict[str, Numbers]:
    names = dict.fromkeys(name for row in rows for name in row["methods"])
    means: dict[str, Numbers] = {}
    for name in names:
        known = [row["methods"][name] for row in rows if name in row["methods"]]
        means[name] = {
            number: round(fmean(one[number] for one in known if number in one), 4)
            for number in (*WHOLE, *PLACES)
            if any(number in one for one in known)
        }
        means[name]["worst_auroc"] = min(one["auroc"] for one in known)
    return means


def _aupr(planted: Sequence[float], clean: Sequence[float]) -> float:
    truth = np.repeat([True, False], [len(planted), len(clean)])
    return average_precision(np.array([*planted, *clean]), truth)


def _share(scores: Sequence[float], limit: float) -> float:
    return fmean(score > limit for score in scores)
