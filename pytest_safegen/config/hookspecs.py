"""The whole extension surface: what a plug-in can add to the gate.

A plug-in is a module (an entry point of the group `pytest_safegen`, a name under `plugins` in the
settings, or a conftest.py) with functions marked `@pytest_safegen.hookimpl`. The detectors and
reports that come with the gate are plug-ins like any other.
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
    """Measures targets. Holds options, never state: what it learns goes through the profile.

    Attributes:
        name: the check's name, as in `--safegen-checks`, lower-case.
        version: change it whenever the same scan would get another score; profiles depend on it.
        scope: what one score speaks of: a scan, a series or the release.
        needs_profile: True if nothing can be said without real scans.
        rules: the limits that are in force unless the user gives others; the key "score" is
            the rule of `Score.value`, any other key is the name of a measure.
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
        """Learn from real scans; `reference` can be iterated more than once.

        The targets carry `prepared` and `facts`; their `scan` is None, to keep memory flat.
        """

    def open(self, profile: Profile | None, *, device: str) -> Scorer:
        """The detector with what it learned at hand: networks built, an index loaded, once a run.

        `device` is a torch device name such as "cpu" or "cuda". Raise `NotJudged` if nothing can be
        judged by this profile.
        """


@runtime_checkable
class Scorer(Protocol):
    """A detector at work with one profile on one device."""

    def score(self, targets: Sequence[Any]) -> Sequence[Score]:
        """One score a target, in order; raise `NotJudged` if a target cannot be measured.

        `targets` are ScanTarget, SeriesTarget or ReleaseTarget according to the detector's scope.
        """


@dataclass(frozen=True)
class ScoreEach:
    """A scorer made of a function from a target to its score, for detectors with nothing to load.

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
    """A detector that says which code decides its scores: when that changes, profiles are stale.

    Without this, it is everything in the package of the detector's module.

    Attributes:
        code: dotted names of modules and packages, each with everything in it.
        libraries: names of installed distributions whose version changes the scores.
    """

    @property
    def code(self) -> Sequence[str]: ...  # noqa: D102  described above
    @property
    def libraries(self) -> Sequence[str]: ...  # noqa: D102


@runtime_checkable
class LeavesOut(Protocol):
    """A detector that needs every reference patient in its profile (such as an index of copies).

    It is calibrated by leaving one patient out at a time instead of holding patients out.
    """

    def without(self, profile: Profile, subject: str) -> Profile:
        """The profile as if that patient had never been in the reference."""


@runtime_checkable
class Recalibrates(Protocol):
    """A detector whose score has scales of its own that a holdout should set, not only its limit.

    Without this, the limit comes from the scores of the holdout on the scales of the reference.
    """

    def recalibrate(self, profile: Profile, holdout: Iterable[ScanTarget]) -> Fitted:
        """The profile's knowledge on the scales of the holdout, with `held_out` scores of it.

        The score of a patient must not depend on that patient's own part in the scales.
        """


@runtime_checkable
class Explains(Protocol):
    """A scorer that can show why it scored a target so, in maps beside the score's heatmap.

    It is asked after the verdict, and only where `--safegen-explain` wants it.
    """

    def explain(self, target: Any, score: Score) -> Sequence[Heatmap | Unexplained]:
        """Further maps of one target, each with a `name` of its own, on the grid of its scan.

        A map that cannot be made is `Unexplained`, or an exception if it spoils them all; either
        becomes a note behind the finding's reason and never changes the verdict.
        """


@hookspec
def safegen_detectors(settings: Settings) -> Iterable[Detector]:
    """Return the detectors that this plug-in adds.

    Example:

        @pytest_safegen.hookimpl
        def safegen_detectors(settings):
            return [MyDetector(**settings.detectors.get("mine", {}))]
    """
    raise NotImplementedError


@hookspec
def safegen_add_commands(commands: Commands) -> None:
    """Add commands to `safegen`; `commands` is what `argparse.ArgumentParser.add_subparsers` gave.

    A command sets `run`, a function that takes the parsed arguments and returns an exit code or
    None. A SafegenError that it raises is printed, and the exit code is 4.

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
    """Write something from the results into the report folder, once, when all is judged.

    An implementation names only the arguments that it needs.

    Example:

        @pytest_safegen.hookimpl
        def safegen_write_report(run, releases, folder):
            (folder / "verdict.txt").write_text(run.verdict)
    """
    raise NotImplementedError


@hookspec
def safegen_write_trends(runs: Sequence[Run], file: Path) -> None:
    """Draw the complete runs of a history, in the order of time, for `safegen history --html`.

    Example:

        @pytest_safegen.hookimpl
        def safegen_write_trends(runs, file):
            verdicts = [f"{run.version}: {run.verdict}" for run in runs]
            file.with_suffix(".txt").write_text("\n".join(verdicts))
    """
    raise NotImplementedError
