"""Whether two runs can be compared."""

from __future__ import annotations

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.core.finding import Run
from pytest_safegen.results.history.entries import is_complete

UNKNOWN = "unknown"


def demand_same_checks(a: Run, b: Run, *, name: str) -> None:
    """Refuse a baseline with other checks.

    Raises:
        UsageProblem: a check that only one of the runs has; `name` is what the baseline is called.
    """
    missing, more = sorted(set(b.checks) - set(a.checks)), sorted(set(a.checks) - set(b.checks))
    if missing or more:
        sides = [f"it lacks {', '.join(missing)}"] if missing else []
        sides += [f"it also has {', '.join(more)}"] if more else []
        raise UsageProblem(
            f"The baseline {name} was judged by other checks ({'; '.join(sides)}): judge it again, "
            "or choose the same checks with --safegen-checks."
        )


def why_incomparable(a: Run, b: Run) -> list[str]:
    """A sentence for each thing that A (the baseline) and B must share and do not."""
    sentences = []
    for run, word in ((a, "baseline"), (b, "run")):
        if not run.comparability:
            sentences.append(f"The {word} does not state what it was judged by.")
    for key in sorted({*a.comparability, *b.comparability}):
        then, now = a.comparability.get(key, UNKNOWN), b.comparability.get(key, UNKNOWN)
        if then != now and a.comparability and b.comparability:
            sentences.append(f"The {key} was {then[:12]} and is {now[:12]}.")
    if not is_complete(a):
        sentences.append("The baseline is incomplete: not every check was judged.")
    return sentences
