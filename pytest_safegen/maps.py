"""Which maps of a finding are kept: the heatmap of its score, and those that explain it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from pytest_safegen.config import Settings
from pytest_safegen.errors import said
from pytest_safegen.hookspecs import Detector, Explains
from pytest_safegen.model import Finding, Heatmap, Profile, Score, Target, Unexplained, Verdict
from pytest_safegen.store import save_heatmap, save_layer

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
EXPLAINED = (Verdict.FAIL, Verdict.WARN)


def with_heatmap(finding: Finding, score: Score, settings: Settings) -> Finding:
    """The finding, with its heatmap on disk if the settings want it kept."""
    wanted = settings.heatmaps == "all" or (
        settings.heatmaps == "failed" and finding.verdict is not Verdict.PASS
    )
    if score.heatmap is None or not wanted:
        return finding
    return save_heatmap(score.heatmap, settings.report, finding)


def explained(
    finding: Finding,
    detector: Detector,
    target: Target,
    profile: Profile | None,
    score: Score,
    *,
    settings: Settings,
    device: str,
) -> Finding:
    """The finding, with the maps that explain it on disk if the settings want them.

    The verdict stays as it is, whatever happens: what cannot be made is a note in the reason.
    """
    wanted = settings.explain == "all" or (
        settings.explain == "failed" and finding.verdict in EXPLAINED
    )
    if not isinstance(detector, Explains) or not wanted:
        return finding
    try:
        layers = list(detector.explain(target, profile, score, device=device))
    except Exception as problem:  # noqa: BLE001  an explanation is not a verdict
        return _with_note(finding, "The explanations", said(problem))
    for layer in layers:
        finding = _with_layer(finding, layer, settings.report)
    return finding


def _with_layer(finding: Finding, layer: Heatmap | Unexplained, folder: Path) -> Finding:
    what = " ".join(["The explanation", str(getattr(layer, "name", ""))]).rstrip()
    if isinstance(layer, Unexplained):
        return _with_note(finding, what, layer.reason)
    try:
        if not NAME.fullmatch(layer.name) or layer.name in finding.layers:
            raise ValueError("it needs a short, lower-case name of its own")
        return save_layer(layer, folder, finding)
    except Exception as problem:  # noqa: BLE001  an explanation is not a verdict
        return _with_note(finding, what, said(problem))


def _with_note(finding: Finding, what: str, why: str) -> Finding:
    note = f"{what} could not be made: {why.rstrip('.')}."
    return replace(finding, reason=f"{finding.reason} {note}")
