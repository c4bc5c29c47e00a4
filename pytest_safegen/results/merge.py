"""Several runs as one: parts of a release that were judged apart, or releases judged apart.

Runs of one release (same checks of the same targets) are its parts, and together must be the
whole. Runs of different releases must share no target.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.core.finding import Finding, Run, Verdict
from pytest_safegen.core.targets import Scope
from pytest_safegen.judging.accounting import Key
from pytest_safegen.judging.release import conclude
from pytest_safegen.results.files import ROWS_FILE, ResultLog, load_run
from pytest_safegen.results.gate_json import save_run

ALIKE = ("generator", "version", "config_digest", "profile_digests", "mode")
SUMMED = ("scans", "series", "left_out", "discovered")
DONE = ("collected", "judged", "reported")


@dataclass(frozen=True, slots=True)
class Part:
    """One run and where it lies."""

    folder: Path
    run: Run

    @property
    def judged(self) -> dict[Key, Finding]:
        """Its findings on scans and series."""
        return {(f.check, f.target): f for f in self.run.findings if f.target}

    @property
    def expected(self) -> set[Key]:
        """Those of its findings that the accounting counts: not those of a project's own tests."""
        return {key for key in self.judged if key[0] in self.run.checks}


def merge(folders: Sequence[Path], output: Path) -> Run:
    """Write results, heatmaps and the run that some runs make together; the run.

    Raises:
        UsageProblem: runs that do not belong together, or contradict each other.
    """
    parts = [Part(folder, load_run(folder)) for folder in folders]
    for part in parts[1:]:
        _demand_alike(parts[0], part)
    owners = _owners(parts)
    findings = [part.judged[key] for key, part in owners.items()] + _on_release(parts)
    counts, problems = _counted(parts)
    problems += _missing_checks(parts)
    if problems:
        findings.append(Finding("accounting", "", Verdict.ERROR, " ".join(problems)))
    verdict, reasons = conclude(findings, problems)
    run = replace(
        parts[0].run,
        id=uuid.uuid4().hex,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        verdict=verdict,
        reasons=reasons,
        roots=tuple(dict.fromkeys(root for part in parts for root in part.run.roots)),
        findings=tuple(findings),
        counts=counts,
        data_digest=_data_of(parts),
        calibrations={k: v for part in parts for k, v in part.run.calibrations.items()},
        limits={k: v for part in parts for k, v in part.run.limits.items()},
        environment={**parts[0].run.environment, "merged runs": str(len(parts))},
    )
    _write(run, parts, owners, output)
    return run


def _demand_alike(first: Part, other: Part) -> None:
    for name in ALIKE:
        one, two = getattr(first.run, name), getattr(other.run, name)
        if one != two:
            raise UsageProblem(
                f"{first.folder} and {other.folder} do not belong together: their {name} is "
                f"{one!r} and {two!r}."
            )


def _owners(parts: Sequence[Part]) -> dict[Key, Part]:
    """Which part each finding is taken from."""
    owners: dict[Key, Part] = {}
    for part in parts:
        for key, finding in part.judged.items():
            known = owners.setdefault(key, part)
            if known is not part:
                _demand_agreement(known, part, key, finding)
    return owners


def _demand_agreement(known: Part, part: Part, key: Key, finding: Finding) -> None:
    check, target = key
    if not part.run.release or known.run.release != part.run.release:
        raise UsageProblem(
            f"{known.folder} and {part.folder} are of different releases, and both judged {check} "
            f"of {target}: give the data folders different names, and judge them in one run."
        )
    before = known.judged[key].verdict
    if before is not finding.verdict:
        raise UsageProblem(
            f"{known.folder} and {part.folder} contradict each other: {check} of {target} is "
            f"{before} and {finding.verdict}."
        )


def _on_release(parts: Sequence[Part]) -> list[Finding]:
    """What each part says of its release as a whole; its accounting only if that did not add up."""
    return [
        replace(finding, reason=f"{part.folder.name}: {finding.reason}")
        for part in parts
        for finding in part.run.findings
        if not finding.target
        and not (finding.check == "accounting" and finding.verdict is Verdict.PASS)
    ]


def _counted(parts: Sequence[Part]) -> tuple[dict[str, int], list[str]]:
    """The accounting line of all, with a sentence for each release that is incomplete."""
    releases: dict[str, list[Part]] = {}
    for part in parts:
        releases.setdefault(part.run.release or str(part.folder), []).append(part)
    counts: Counter[str] = Counter()
    problems = []
    for own in releases.values():
        known = own[0].run.counts
        counts.update({name: known.get(name, 0) for name in SUMMED})
        judged = len({key for part in own for key in part.expected})
        counts.update(dict.fromkeys(DONE, judged))
        if judged < known.get("discovered", 0):
            folders = ", ".join(str(part.folder) for part in own)
            missing = known.get("discovered", 0) - judged
            problems.append(f"{missing} checks of a release were not judged by any of {folders}.")
    return dict(counts), problems


def _missing_checks(parts: Sequence[Part]) -> list[str]:
    """A sentence for each check of a release as a whole that no part of it made."""
    made = {(p.run.release, f.check) for p in parts for f in p.run.findings if not f.target}
    wanted = {(p.run.release, check): p for p in parts for check in _of_release(p.run)}
    return [
        f"The check {check} of the release as a whole was made by no part; run it with "
        f"safegen-gate::{check} ({part.folder})."
        for (release, check), part in wanted.items()
        if (release, check) not in made
    ]


def _of_release(run: Run) -> list[str]:
    return [check for check, scope in run.checks.items() if scope == Scope.RELEASE]


def _write(run: Run, parts: Sequence[Part], owners: Mapping[Key, Part], output: Path) -> None:
    log = ResultLog(output)
    for finding in run.findings:
        log.add(finding)
    for row in _rows(parts).values():
        log.add_row(row)
    log.close()
    for key, part in owners.items():
        finding = part.judged[key]
        for name in (finding.heatmap, *finding.layers.values()):
            if name:
                _copy(name, part.folder, output)
    save_run(run, output)


def _data_of(parts: Sequence[Part]) -> str:
    """The digest of the data if all parts are of the same; no digest speaks of several releases."""
    digests = {part.run.data_digest for part in parts}
    return digests.pop() if len(digests) == 1 else ""


def _rows(parts: Sequence[Part]) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for part in parts:
        if (part.folder / ROWS_FILE).is_file():
            with (part.folder / ROWS_FILE).open(encoding="utf-8") as lines:
                rows |= {row["target"]: row for row in map(json.loads, lines)}
    return rows


def _copy(name: str, source: Path, output: Path) -> None:
    """Copy a map; one that lies outside its report or is gone is left, and the page will say so."""
    path = (source / name).resolve()
    if path.is_relative_to(source.resolve()) and path.is_file():
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, output / name)
