"""What a plug-in can add to the gate: the whole extension surface, on one page.

A plug-in is a module with functions marked `@pytest_safegen.hookimpl`: an entry point of the group
`pytest_safegen`, a name under `plugins` in the settings, or a conftest.py. The built-in detectors
and reports are plug-ins like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import pluggy

if TYPE_CHECKING:
    import argparse

    from pytest_safegen.config.settings import Settings
    from pytest_safegen.core.finding import Run
    from pytest_safegen.core.scan import Release
    from pytest_safegen.core.score import Fitted, Heatmap, Profile, Rule, Score, Unexplained
    from pytest_safegen.core.targets import ScanTarget, Scope

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

PROJECT = "safegen"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@runtime_checkable
class Detector(Protocol):
    """Measures targets. It holds options and no state: what it learns is kept in the profile.

    Attributes:
        name: the check's name, as in `--safegen-checks`: lower-case letters, digits, - and _.
        version: change it whenever the same scan would get another score; profiles depend on it.
        scope: what is scored: a scan, a series or the release.
        needs_profile: True if the check cannot judge without real scans.
        rules: the default limits; the key "score" is the rule for `Score.value`, any other key
            is the name of a measure.
    """

    @property
    def name(self) -> str: ...  # noqa: D102  described above
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def scope(self) -> Scope: ...  # noqa: D102
    @property
    def needs_profile(self) -> bool: ...  # noqa: D102
    @property
    def rules(self) -> Mapping[str, Rule]: ...  # noqa: D102

    def fit(self, reference: Iterable[ScanTarget], *, seed: int) -> Fitted:
        """What the detector learns from real scans; `reference` can be iterated more than once.

        The targets carry `prepared` and `facts`; their `scan` is None, to keep memory flat.
        """

    def open(self, profile: Profile | None, *, device: str) -> Scorer:
        """A scorer for this profile, called once per run: build networks and load indices here.

        `device` is a PyTorch device such as "cpu" or "cuda". Raise `NotJudged` if this profile does
        not allow any judgement.
        """


@runtime_checkable
class Scorer(Protocol):
    """Scores targets with one profile on one device."""

    def score(self, targets: Sequence[Any]) -> Sequence[Score]:
        """One score per target, in order; raise `NotJudged` if a target cannot be measured.

        `targets` are ScanTarget, SeriesTarget or ReleaseTarget, by the detector's scope.
        """


@dataclass(frozen=True)
class ScoreEach:
    """A scorer from a function that scores one target, for detectors with nothing to load.

    Example:

        def open(self, profile, *, device):
            return ScoreEach(lambda target: Score(float(target.scan.voxels.max())))
    """

    measure: Callable[[Any], Score]

    def score(self, targets: Sequence[Any]) -> Sequence[Score]:
        """The function's score of each target."""
        return [self.measure(target) for target in targets]


@runtime_checkable
class DeclaresCode(Protocol):
    """A detector that names the code its scores depend on; profiles are refitted when it changes.

    The default is everything in the package of the detector's module.

    Attributes:
        code: dotted names of modules and packages, each with everything in it.
        libraries: installed distributions whose version can change the scores.
    """

    @property
    def code(self) -> Sequence[str]: ...  # noqa: D102  described above
    @property
    def libraries(self) -> Sequence[str]: ...  # noqa: D102


@runtime_checkable
class LeavesOut(Protocol):
    """A detector whose profile must hold every reference patient, such as an index of copies.

    It is calibrated by leaving out one patient at a time.
    """

    def without(self, profile: Profile, subject: str) -> Profile:
        """The profile without this patient, as if the reference had never held them."""


@runtime_checkable
class Recalibrates(Protocol):
    """A detector whose scores have scales that should be set by the holdout, as the limit is.

    By default only the limit comes from the holdout; the scales are those of the reference.
    """

    def recalibrate(self, profile: Profile, holdout: Iterable[ScanTarget]) -> Fitted:
        """The profile rescaled to the holdout, with its scores in `held_out`.

        A patient's score must not depend on that patient's own part in the scales.
        """


@runtime_checkable
class Explains(Protocol):
    """A scorer that can explain a score by maps beside its heatmap.

    It is called after the verdict, for the findings that `--safegen-explain` selects.
    """

    def explain(self, target: Any, score: Score) -> Sequence[Heatmap | Unexplained]:
        """Maps of one target on the grid of its scan, each with a unique `name`.

        Return `Unexplained` for a map that cannot be computed, or raise if none can; either becomes
        a note after the finding's reason and never changes the verdict.
        """


@hookspec
def safegen_detectors(settings: Settings) -> Iterable[Detector]:
    """Return detectors to add.

    Example:

        @pytest_safegen.hookimpl
        def safegen_detectors(settings):
            return [MyDetector(**settings.detectors.get("mine", {}))]
    """
    raise NotImplementedError


@hookspec
def safegen_add_commands(commands: Commands) -> None:
    """Add commands to `safegen`; `commands` comes from `argparse.ArgumentParser.add_subparsers`.

    A command sets `run`, a function that takes the parsed arguments and returns an exit code or
    None for 0. If it raises a SafegenError, its text is printed and the exit code is 4.

    Example:

        @pytest_safegen.hookimpl
        def safegen_add_commands(commands):
            hello = commands.add_parser("hello", help="greet")
            hello.set_defaults(run=lambda asked: print("hello"))
    """
    raise NotImplementedError


@hookspec
def safegen_write_report(
    run: Run, releases: Sequence[Release], folder: Path, settings: Settings
) -> None:
    """Write to the report folder, once, after everything is judged.

    An implementation takes only the arguments it needs.

    Example:

        @pytest_safegen.hookimpl
        def safegen_write_report(run, releases, folder):
            (folder / "verdict.txt").write_text(run.verdict)
    """
    raise NotImplementedError


@hookspec
def safegen_write_trends(runs: Sequence[Run], file: Path) -> None:
    """Draw the trends over a history's complete runs, oldest first (`safegen history --html`).

    Example:

        @pytest_safegen.hookimpl
        def safegen_write_trends(runs, file):
            verdicts = [f"{run.version}: {run.verdict}" for run in runs]
            file.with_suffix(".txt").write_text("\n".join(verdicts))
    """
    raise NotImplementedError
