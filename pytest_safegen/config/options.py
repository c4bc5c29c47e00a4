"""All settings, once: command line, ini and safegen.toml are made from this table."""

from __future__ import annotations

from typing import NamedTuple


class Option(NamedTuple):
    """One setting; `name` is `--safegen-<name>`, the ini `safegen_<name>` and the key in TOML.

    `kind` is paths, path, words, lines, table, text, integer or choice. `cli` is the name on the
    command line where it differs from `name` with dashes.
    """

    name: str
    kind: str
    metavar: str
    help: str
    choices: tuple[str, ...] = ()
    cli: str = ""

    @property
    def flag(self) -> str:
        """The name on the command line."""
        return "--safegen-" + (self.cli or self.name.replace("_", "-"))


OPTIONS = (
    Option("data", "paths", "DIR", "folder of synthetic scans to judge; repeatable"),
    Option("reference", "paths", "DIR", "folder of the real scans the generator was trained on"),
    Option(
        "holdout", "paths", "DIR", "folder of real scans the generator never saw, for calibration"
    ),
    Option("profile", "path", "FILE", "profile written by `safegen fit`, instead of a reference"),
    Option("checks", "words", "NAMES", "run only these checks, separated by commas"),
    Option("exclude_checks", "words", "NAMES", "skip these checks, separated by commas"),
    Option(
        "thresholds",
        "table",
        "CHECK[.MEASURE]=EXPR",
        "your own limit: '<=0.3', '>=0.8' or 'p<=0.01'; repeatable",
        cli="threshold",
    ),
    Option(
        "config",
        "path",
        "FILE",
        "settings file; default: safegen.toml, or [tool.safegen] in pyproject.toml",
    ),
    Option(
        "device",
        "choice",
        "DEVICE",
        "PyTorch device: auto, cpu, cuda or mps",
        ("auto", "cpu", "cuda", "mps"),
    ),
    Option("report", "path", "DIR", "folder for results and the HTML report (safegen-report)"),
    Option(
        "heatmaps",
        "choice",
        "WHICH",
        "heatmaps to keep: failed, all or none",
        ("failed", "all", "none"),
    ),
    Option(
        "explain",
        "choice",
        "WHICH",
        "findings to explain with further maps: failed, all or none",
        ("failed", "all", "none"),
    ),
    Option("generator", "text", "NAME@VERSION", "generator and version; names the run"),
    Option(
        "history",
        "text",
        "URL",
        "where runs are kept: sqlite:///FILE, postgresql+psycopg://USER@HOST/DATABASE, or none",
    ),
    Option(
        "baseline",
        "text",
        "VERSION",
        "the run to compare with: a version, NAME@VERSION, latest, a tag, or a run's id",
    ),
    Option(
        "baseline_report",
        "path",
        "DIR",
        "report folder of the baseline; its pictures appear beside those of scans that got worse",
    ),
    Option(
        "fail_on_regression",
        "lines",
        "EXPR",
        "what counts as a regression: 'anomaly: failed +0.02', 'memorization: any', "
        "'anomaly: delta 0.2'; repeatable",
    ),
    Option(
        "missing_baseline",
        "choice",
        "WHAT",
        "if the baseline is `latest` and there is no earlier run: pass (with a warning) or fail",
        ("pass", "fail"),
    ),
    Option("min_scans", "integer", "N", "fail if there are fewer scans (1)"),
    Option(
        "self_test",
        "integer",
        "N",
        "plant faults in copies of N scans that passed; unless all fail, the run is INCONCLUSIVE "
        "(0)",
    ),
    Option(
        "mode",
        "choice",
        "MODE",
        "enforce: failures turn the run red; warn: they become warnings; record: they are only "
        "recorded",
        ("enforce", "warn", "record"),
    ),
    Option(
        "waivers",
        "path",
        "FILE",
        "findings that people reviewed and accepted; see `safegen review`",
    ),
    Option(
        "viewer",
        "choice",
        "KIND",
        "scan viewer of the report: slices, or niivue for slices and 3-D",
        ("slices", "niivue"),
    ),
    Option(
        "picture_budget",
        "integer",
        "MB",
        "space for pictures and volumes in the report, worst scans first (100)",
    ),
    Option(
        "mlflow",
        "text",
        "URI",
        "log metrics, tags and the report to MLflow: http://HOST:5000, sqlite:///FILE",
    ),
    Option("seed", "integer", "N", "random seed (0)"),
)

FILE_ONLY = ("plugins", "detectors")
"""Keys of the settings file without an option: plug-in modules, and options of detectors."""
