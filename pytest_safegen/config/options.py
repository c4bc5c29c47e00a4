"""Every setting once: the command line, the ini names and safegen.toml are made from this table."""

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
    Option(
        "data", "paths", "DIR", "folder of synthetic scans to judge; may be given several times"
    ),
    Option("reference", "paths", "DIR", "folder of the real scans the generator was trained on"),
    Option("holdout", "paths", "DIR", "folder of real scans it never saw, used for calibration"),
    Option("profile", "path", "FILE", "profile fitted before with `safegen fit`"),
    Option("checks", "words", "NAMES", "only these checks, separated by commas"),
    Option("exclude_checks", "words", "NAMES", "all checks but these, separated by commas"),
    Option(
        "thresholds",
        "table",
        "CHECK[.MEASURE]=EXPR",
        "a limit of your own: '<=0.3', '>=0.8' or 'p<=0.01'; may be given several times",
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
        "where detectors compute: auto, cpu, cuda or mps",
        ("auto", "cpu", "cuda", "mps"),
    ),
    Option("report", "path", "DIR", "folder for results and the HTML report (safegen-report)"),
    Option(
        "heatmaps",
        "choice",
        "WHICH",
        "which heatmaps are kept: failed, all or none",
        ("failed", "all", "none"),
    ),
    Option(
        "explain",
        "choice",
        "WHICH",
        "which findings get further maps that explain them: failed, all or none",
        ("failed", "all", "none"),
    ),
    Option("model", "text", "NAME@VERSION", "the generator and its version; names the run"),
    Option(
        "store",
        "text",
        "URL",
        "where runs are remembered: sqlite:///FILE, postgresql+psycopg://USER@HOST/DATABASE, none",
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
        "report folder of the baseline: its pictures stand beside those of scans that got worse",
    ),
    Option(
        "fail_on_regression",
        "lines",
        "EXPR",
        "what got worse enough to fail: 'anomaly: failed +0.02', 'memorization: any', "
        "'anomaly: delta 0.2'; may be given several times",
    ),
    Option(
        "first_run",
        "choice",
        "WHAT",
        "where the baseline is `latest` and there is no earlier run: pass (with a warning) or fail",
        ("pass", "fail"),
    ),
    Option("min_scans", "integer", "N", "fewer scans than this fail the gate (1)"),
    Option(
        "canaries",
        "integer",
        "N",
        "plant a fault in copies of N scans that passed; each must fail, or nothing is said (0)",
    ),
    Option(
        "mode",
        "choice",
        "MODE",
        "enforce: failures turn the run red; warn: they become warnings; record: only recorded",
        ("enforce", "warn", "record"),
    ),
    Option(
        "waivers", "path", "FILE", "findings that people reviewed and accept; see `safegen review`"
    ),
    Option(
        "viewer",
        "choice",
        "KIND",
        "the report's viewer of scans: slices, or niivue for 3-D beside them",
        ("slices", "niivue"),
    ),
    Option("images", "integer", "MB", "pictures and volumes in the report, the worst first (100)"),
    Option(
        "mlflow",
        "text",
        "URI",
        "log metrics, tags and the report to MLflow: http://HOST:5000, sqlite:///FILE",
    ),
    Option("seed", "integer", "N", "seed of everything random (0)"),
)

FILE_ONLY = ("plugins", "detectors")
"""Keys of the settings file that have no option: plug-in modules, and options of detectors."""
