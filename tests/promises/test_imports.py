"""Imports run one way, and the plug-ins that come with the gate use what a stranger's may use."""

from __future__ import annotations

import pytest
from project_files import DETECTORS, GATE, REPORTS, imported, imported_modules, modules

import pytest_safegen

FLOORS = (
    ("model", "errors", "names", "whole_files"),
    ("hookspecs", "options"),
    ("config", "plugins"),
    ("dicom_header", "manifest"),
    ("tree", "layouts", "patients", "series", "sessions", "sidecars"),
    ("masks", "mask_pairs"),
    ("discover", "dicom", "itk", "itk_headers", "nifti", "volume"),
    ("readers", "facts"),
    ("prepare", "calibration"),
    ("faults.model",),
    ("faults.axes", "faults.canvas", "faults.fields", "faults.membrane", "faults.shapes"),
    ("faults.planting", "faults.regions", "faults.symmetry"),
    ("faults.ct", "faults.dropout", "faults.filters", "faults.foreign", "faults.geometry"),
    ("faults.intensity", "faults.kspace", "faults.noise", "faults.patterns", "faults.slices"),
    ("faults.warps",),
    ("faults.bank",),
    ("faults",),
    ("inject_files", "inject"),
    ("profiles", "verdict"),
    (
        "store",
        "accounting",
        "maps",
        "report_folder",
        "content",
        "waivers",
        "reviewing",
        "merging",
        "gate_file",
    ),
    ("provenance", "history.tables", "history.migrations", "history.migrations.env"),
    ("history.migrations.versions", "history.migrations.versions.revision_0001"),
    ("history.database", "history.entries"),
    ("history.history",),
    ("history", "history.command"),
    ("comparison.model",),
    ("comparison.statistics", "comparison.sentences", "comparison.fairness"),
    ("comparison.samples", "comparison.verdicts"),
    ("comparison.failures", "comparison.words"),
    ("comparison.compare",),
    ("comparison", "comparison.command"),
    ("remembering",),
    ("fitting", "pipeline", "testing"),
    ("canaries",),
    ("knowledge",),
    ("plugin", "nodes", "selection", "session", "untrusted", "controller", "gate_command", "cli"),
)
"""Every module of the gate; it may import those of its own floor and of the floors before it."""

PUBLIC_MODULES = {
    f"{GATE}.{name}"
    for name in (
        "calibration",
        "discover",
        "errors",
        "facts",
        "faults",
        "history",
        "model",
        "prepare",
        "profiles",
        "readers",
        "store",
        "testing",
        "whole_files",
    )
}
"""What a plug-in may import besides the names of `pytest_safegen.__all__`."""

FOR_TYPES = {f"{GATE}.config"}
"""What a plug-in may name in annotations, for the hooks hand it over."""

FLOOR_OF = {f"{GATE}.{name}": floor for floor, names in enumerate(FLOORS) for name in names}
OWN = sorted(set(modules(GATE)) - {GATE})
PLUGINS = sorted({**modules(DETECTORS), **modules(REPORTS)})


def test_every_module_has_a_floor() -> None:
    assert sorted(FLOOR_OF) == OWN


@pytest.mark.parametrize("module", OWN)
def test_a_module_imports_only_what_lies_below_it(module: str) -> None:
    used = imported_modules(modules(GATE)[module], types_too=False) & set(FLOOR_OF)
    assert [name for name in sorted(used) if FLOOR_OF[name] > FLOOR_OF[module]] == []


@pytest.mark.parametrize("module", sorted(modules(GATE)))
def test_the_gate_knows_no_detector_and_no_report(module: str) -> None:
    used = {name.partition(".")[0] for name in imported_modules(modules(GATE)[module])}
    assert used & {DETECTORS, REPORTS} == set()


@pytest.mark.parametrize("module", PLUGINS)
def test_a_plug_in_imports_only_public_names(module: str) -> None:
    path = {**modules(DETECTORS), **modules(REPORTS)}[module]
    allowed = PUBLIC_MODULES | {GATE}
    typed = set(imported(path)) - set(imported(path, types_too=False))
    hidden = [
        (source, name)
        for source, name in sorted(imported(path), key=str)
        if source.partition(".")[0] == GATE
        and not (source in allowed and _is_public(source, name))
        and not (source in FOR_TYPES and (source, name) in typed)
    ]
    assert hidden == []


@pytest.mark.parametrize("module", sorted(modules(DETECTORS)))
def test_detectors_know_no_report(module: str) -> None:
    assert not any(n.startswith(REPORTS) for n in imported_modules(modules(DETECTORS)[module]))


@pytest.mark.parametrize("module", sorted(modules(REPORTS)))
def test_reports_know_no_detector(module: str) -> None:
    assert not any(n.startswith(DETECTORS) for n in imported_modules(modules(REPORTS)[module]))


def _is_public(source: str, name: str | None) -> bool:
    if source == GATE and name is not None:
        return name in pytest_safegen.__all__ or f"{GATE}.{name}" in PUBLIC_MODULES
    return name is None or not name.startswith("_")
