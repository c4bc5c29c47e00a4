"""The history of a run and the baseline that it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pytest_safegen.config.hookspecs import Detector
from pytest_safegen.config.settings import Settings
from pytest_safegen.core.errors import SafegenError, UsageProblem
from pytest_safegen.core.finding import Finding, Run, Verdict
from pytest_safegen.results.files import load_run

if TYPE_CHECKING:
    from pytest_safegen.results.comparison import RegressionRule
    from pytest_safegen.results.history import History

REGRESSION_CHECK = "regression"
LATEST = "latest"


@dataclass(slots=True)
class BaselineCheck:
    """The history that a run is added to, and the baseline that it is compared with.

    `outcome` is what gate.json says of the comparison; empty where none was made.
    """

    history: History | None = None
    baseline: Run | None = None
    rules: tuple[RegressionRule, ...] = ()
    asked: str = ""
    missing_baseline: str = "pass"
    outcome: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, detectors: Mapping[str, Detector]) -> BaselineCheck:
        """The store of the settings, known to be writable, and the baseline they name.

        Raises:
            UsageProblem: MLflow is named and not installed, a store that cannot be used, an
                unknown baseline or one with other checks, a report of another run, a rule that
                is not understood.
        """
        from pytest_safegen.results.history import OFF, open_history

        _check_settings(settings, off=OFF)
        if settings.history_url == OFF:
            return cls()
        history = open_history(settings.history_url, to_write=True)
        if not settings.baseline:
            return cls(history)
        from pytest_safegen.results.comparison import parse

        rules = parse(settings.fail_on_regression)
        baseline = _baseline(history, settings)
        if baseline is not None:
            _check_baseline(baseline, rules, settings.baseline, detectors)
            _check_report(baseline, settings)
        return cls(history, baseline, rules, settings.baseline, settings.missing_baseline)

    def compare(self, run: Run) -> Finding:
        """The verdict `safegen-gate::regression` on a run that is not yet in the history."""
        from pytest_safegen.results.comparison import Outcome, compare
        from pytest_safegen.results.comparison.messages import as_json, summary

        if self.baseline is None:
            return self._first()
        found = compare(self.baseline, run, self.rules)
        self.outcome = as_json(found, self.baseline, self.rules)
        verdict = {
            Outcome.PASSED: Verdict.PASS,
            Outcome.REGRESSED: Verdict.FAIL,
            Outcome.INCOMPARABLE: Verdict.INCONCLUSIVE,
        }[found.outcome]
        return Finding(REGRESSION_CHECK, "", verdict, summary(found, self.baseline))

    def keep(self, run: Run) -> list[str]:
        """Add the run to the history; a sentence where that failed."""
        if self.history is None:
            return []
        try:
            self.history.add(run)
        except SafegenError as problem:
            return [f"This run could not be added to the history: {problem}"]
        return []

    def _first(self) -> Finding:
        self.outcome = {"outcome": "first run"}
        verdict = Verdict.FAIL if self.missing_baseline == "fail" else Verdict.WARN
        reason = "There is no earlier run to compare with; regressions were not tested."
        return Finding(REGRESSION_CHECK, "", verdict, reason)


def _check_settings(settings: Settings, *, off: str) -> None:
    if settings.mlflow and find_spec("mlflow") is None:
        raise UsageProblem("--safegen-mlflow needs MLflow: pip install 'pytest-safegen[mlflow]'.")
    if settings.fail_on_regression and not settings.baseline:
        raise UsageProblem(
            "--safegen-fail-on-regression needs --safegen-baseline, the run to compare with."
        )
    if settings.baseline_report and not settings.baseline:
        raise UsageProblem(
            "--safegen-baseline-report is the report of --safegen-baseline, which is not given."
        )
    if settings.baseline and settings.history_url == off:
        raise UsageProblem(
            "--safegen-baseline needs a history, and --safegen-history=none keeps none."
        )


def _baseline(history: History, settings: Settings) -> Run | None:
    """The run that is named; None where it is the latest and there is none of the generator."""
    generator = (settings.generator or "").partition("@")[0] or None
    name = settings.baseline or LATEST
    if name == LATEST and not any(
        e.complete and generator in (None, e.run.generator) for e in history.entries()
    ):
        return None
    return history.load(history.find(name, generator=generator))


def _check_baseline(
    baseline: Run, rules: tuple[RegressionRule, ...], name: str, detectors: Mapping[str, Detector]
) -> None:
    from dataclasses import replace

    from pytest_safegen.results.comparison import demand_known, demand_same_checks
    from pytest_safegen.results.comparison.rules import measures_of

    now = replace(baseline, checks={key: str(one.scope) for key, one in detectors.items()})
    demand_same_checks(baseline, now, name=name)
    demand_known(rules, measures_of(baseline))


def _check_report(baseline: Run, settings: Settings) -> None:
    folder = settings.baseline_report
    if folder is None:
        return
    if folder == settings.report:
        raise UsageProblem(
            f"{folder} is where this run's report goes: keep the baseline's in another folder."
        )
    found = load_run(folder)
    if found.id != baseline.id:
        raise UsageProblem(
            f"{folder} is the report of run {found.id[:8]}, and the baseline is run "
            f"{baseline.id[:8]}: name the report of that one with --safegen-baseline-report."
        )
