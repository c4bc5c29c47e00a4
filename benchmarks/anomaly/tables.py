"""Markdown tables of a results file, for the screen and for docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from benchmarks.anomaly.methods_under_test import OURS, RATES
from benchmarks.rates import Rate

Content = Mapping[str, Any]

WHOLE = {"auroc": "AUROC", "aupr": "AUPR", "caught": "caught", "caught_at_5": "caught at 5 %"}
PLACES = {
    "ap": "voxel AP",
    "iou": "IoU",
    "dice": "Dice",
    "oracle_iou": "best IoU (oracle)",
    "pointing": "pointing",
}
HEADINGS = {
    "local": "Faults of a part of the scan",
    "global": "Faults of the whole scan",
    "all": "All faults",
    "torchio": "TorchIO's faults",
}
AS_SHARES = ("caught", "caught_at_5")
NOT_BY_SIZE = ("aupr", "dice", "oracle_iou")


def markdown(content: Content) -> str:
    """All tables."""
    parts = (_facts, _contestants, _means, _sizes, _comparisons, _families, _dose, _faithful)
    return "\n\n".join(text for part in parts for text in part(content)) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its first column left-aligned and the others right-aligned."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _facts(content: Content) -> Iterator[str]:
    clean = next(iter(content["contestants"].values()))["false_alarms"][str(RATES[0])]["n"]
    yield (
        f"Learned from {content['reference']} real scans of {content['data']}, judged {clean} "
        f"others untouched, and {content['planted']} scans of each family with faults of strength "
        f"{content['strength']:g}. Seed {content['seed']}."
    )
    seconds = content["seconds"]
    rows = [[name, f"{value:.2f}"] for name, value in seconds.items()]
    yield table(["step", "seconds a scan"], rows)
    yield (
        f"A scan takes {content['seconds_a_scan']:.2f} s in all for {OURS}, of scans side by side "
        f"on {content['machine']['cores']} cores. Peak memory: "
        + ", ".join(f"{size} MiB {when}" for when, size in content["peak_memory_mib"].items())
        + "."
    )
    yield from (f"Not run: {line}." for line in content["not_run"])


def _contestants(content: Content) -> Iterator[str]:
    head = ["", "calibrated on", "fit, s", *(f"false alarms, asked {rate:.1%}" for rate in RATES)]
    rows = []
    for name, facts in content["contestants"].items():
        alarms = [facts["false_alarms"][str(rate)] for rate in RATES]
        rates = [str(Rate(one["hits"], one["n"])).strip() for one in alarms]
        rows.append([name, str(facts["calibrated_on"]), f"{facts['fit_seconds']:.0f}", *rates])
    yield table(head, rows)


def _means(content: Content) -> Iterator[str]:
    for part, methods in content["means"].items():
        numbers = WHOLE | (PLACES if part == "local" else {})
        rows = [
            [name, *_cells(found, numbers), f"{found['worst_auroc']:.3f}"]
            for name, found in methods.items()
        ]
        title = f"**{HEADINGS[part]}**, mean over families"
        yield f"{title}\n\n{table(['', *numbers.values(), 'worst AUROC'], rows)}"
    rows = [[n, f"{low:.3f} to {high:.3f}"] for n, (low, high) in content["intervals"].items()]
    if rows:
        yield table(["mean AUROC of all faults", "95 % interval over patients"], rows)


def _sizes(content: Content) -> Iterator[str]:
    numbers = {name: title for name, title in (WHOLE | PLACES).items() if name not in NOT_BY_SIZE}
    rows = [
        [_range(row["from_ml"], row["to_ml"]), str(row["faults"]), *_cells(row, numbers)]
        for row in content["sizes"]
    ]
    if rows:
        yield table([f"{OURS}, volume of the fault", "faults", *numbers.values()], rows)


def _range(low: float, high: float | None) -> str:
    if high is None:
        return f"{low:g} ml and more"
    return f"{low:g} to {high:g} ml" if low else f"less than {high:g} ml"


def _comparisons(content: Content) -> Iterator[str]:
    rows = [
        [
            f"{one['against']}, {WHOLE.get(one['number']) or PLACES[one['number']]}, {one['over']}",
            str(one["families"]),
            f"{one['difference']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})",
            f"{one['t']:.2f}",
            f"{one['p']:.2g}",
            f"{one['d']:.2f}",
        ]
        for one in content["comparisons"]
    ]
    if rows:
        head = [f"{OURS} less", "families", "difference (95 %)", "t", "p", "Cohen's d"]
        yield table(head, rows)


def _families(content: Content) -> Iterator[str]:
    numbers = WHOLE | PLACES
    rows = [
        [
            f"{row['kind']} ({row['group']})",
            str(row["scans"]),
            *_cells(row["methods"][OURS], numbers),
        ]
        for row in sorted(content["kinds"], key=lambda row: (row["bank"], not row["local"]))
        if OURS in row["methods"]
    ]
    yield table([f"{OURS}, family (group)", "scans", *numbers.values()], rows)
    lost = [row for row in content["kinds"] if row["unprepared"] or row["refused"]]
    for row in lost:
        yield (
            f"{row['kind']}: {row['unprepared']} scans could not be prepared, which the gate "
            f"blocks and no rate counts; {row['refused']} are so unlike the reference that the "
            "gate blocks them without a score."
        )


def _dose(content: Content) -> Iterator[str]:
    dose = content["dose"]
    strengths = sorted({key for by_strength in dose.values() for key in by_strength}, key=float)
    if not strengths:
        return
    rows = [
        [name, *(_dose_cell(by_strength.get(key)) for key in strengths)]
        for name, by_strength in dose.items()
    ]
    local = {row["kind"]: row["local"] for row in content["kinds"]}
    means = [
        [f"**mean of faults of {what}**", *(_dose_cell(_mean(some, key)) for key in strengths)]
        for what, is_local in (("a part", True), ("the whole", False))
        if (some := [found for name, found in dose.items() if local[name] is is_local])
    ]
    yield table(["AUROC (caught) at strength", *strengths], [*means, *rows])


def _mean(found: Sequence[Mapping[str, Mapping[str, float]]], key: str) -> dict[str, float]:
    """The mean over families of what was measured at one strength."""
    known = [by_strength[key] for by_strength in found if key in by_strength]
    return {name: fmean(one[name] for one in known) for name in ("auroc", "caught")}


def _dose_cell(numbers: Mapping[str, float] | None) -> str:
    return f"{numbers['auroc']:.2f} ({numbers['caught']:.0%})" if numbers else ""


def _faithful(content: Content) -> Iterator[str]:
    found = content["faithfulness"]
    if found:
        rows = [
            ["map", f"{found['deletion']:.3f}", f"{found['insertion']:.3f}"],
            ["chance", f"{found['deletion_by_chance']:.3f}", f"{found['insertion_by_chance']:.3f}"],
        ]
        yield table([f"area, {found['scans']} scans", "deletion (low)", "insertion (high)"], rows)


def _cells(found: Mapping[str, float], numbers: Mapping[str, str]) -> list[str]:
    return [_cell(found.get(name), share=name in AS_SHARES) for name in numbers]


def _cell(value: float | None, *, share: bool) -> str:
    if value is None:
        return ""
    return f"{value:.0%}" if share else f"{value:.3f}"
