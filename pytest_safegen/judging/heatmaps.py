"""Heatmaps and explanations of findings: which are written, and to which files."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_safegen.config.hookspecs import Explains
from pytest_safegen.config.settings import Settings
from pytest_safegen.core.atomic_io import atomic_path
from pytest_safegen.core.errors import format_error
from pytest_safegen.core.finding import Finding, Verdict
from pytest_safegen.core.score import Heatmap, Score, Unexplained
from pytest_safegen.core.targets import Target

COMMENT_EXTENSION = 6
"""The code of a NIfTI header extension that holds a comment."""

LAYER_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")

EXPLAINED = (Verdict.FAIL, Verdict.WARN)


def with_heatmap(finding: Finding, score: Score, settings: Settings) -> Finding:
    """The finding, with its heatmap on disk if the settings ask for it."""
    wanted = settings.heatmaps == "all" or (
        settings.heatmaps == "failed" and finding.verdict is not Verdict.PASS
    )
    if score.heatmap is None or not wanted:
        return finding
    return save_heatmap(score.heatmap, settings.report, finding)


def with_explanations(
    finding: Finding, scorer: object, target: Target, score: Score, *, settings: Settings
) -> Finding:
    """The finding, with the maps that explain it on disk if the settings ask for them.

    The verdict never changes: a map that cannot be made becomes a note in the reason.
    """
    wanted = settings.explain == "all" or (
        settings.explain == "failed" and finding.verdict in EXPLAINED
    )
    if not isinstance(scorer, Explains) or not wanted:
        return finding
    try:
        layers = list(scorer.explain(target, score))
    except Exception as problem:  # noqa: BLE001  an explanation is not a verdict
        return _with_note(finding, "The explanations", format_error(problem))
    for layer in layers:
        finding = _with_layer(finding, layer, settings.report)
    return finding


def _with_layer(finding: Finding, layer: Heatmap | Unexplained, folder: Path) -> Finding:
    what = " ".join(["The explanation", str(getattr(layer, "name", ""))]).rstrip()
    if isinstance(layer, Unexplained):
        return _with_note(finding, what, layer.reason)
    try:
        if not LAYER_NAME.fullmatch(layer.name) or layer.name in finding.layers:
            raise ValueError("it needs a short, unique, lower-case name")
        return save_layer(layer, folder, finding)
    except Exception as problem:  # noqa: BLE001  an explanation is not a verdict
        return _with_note(finding, what, format_error(problem))


def _with_note(finding: Finding, what: str, why: str) -> Finding:
    note = f"{what} could not be made: {why.rstrip('.')}."
    return replace(finding, reason=f"{finding.reason} {note}")


def save_heatmap(heatmap: Heatmap, folder: Path, finding: Finding) -> Finding:
    """Write a heatmap under `folder/heatmaps` as NIfTI; the finding with its relative path."""
    name = f"heatmaps/{_stem(finding)}.nii.gz"
    _write_map(heatmap, folder / name)
    return dataclasses.replace(finding, heatmap=name)


def save_layer(layer: Heatmap, folder: Path, finding: Finding) -> Finding:
    """Write a named map that explains a finding beside its heatmap; the finding with its path."""
    name = f"heatmaps/{_stem(finding)}.{_file_word(layer.name)}.nii.gz"
    _write_map(layer, folder / name)
    return dataclasses.replace(finding, layers={**finding.layers, layer.name: name})


def load_heatmap(path: Path) -> Heatmap:
    """The map that `save_heatmap` or `save_layer` wrote."""
    import nibabel as nib
    import numpy as np

    image = nib.load(path)
    comments = [e for e in image.header.extensions if e.get_code() == COMMENT_EXTENSION]
    facts = json.loads(_content(comments[0])) if comments else {}
    return Heatmap(
        np.asarray(image.dataobj, dtype=np.float32),
        image.affine,
        str(facts.get("meaning", "")),
        float(facts.get("ceiling", 3.0)),
        str(facts.get("of", "")),
        str(facts.get("name", "")),
    )


def _stem(finding: Finding) -> str:
    target = finding.target.encode(errors="surrogatepass")  # file names can be any bytes
    digest = hashlib.blake2b(target, digest_size=4).hexdigest()
    slug = re.sub(r"[^A-Za-z0-9]+", "-", finding.target)[-80:].strip("-")
    return f"{slug}-{digest}-{_file_word(finding.check)}"


def _file_word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", name)


def _write_map(heatmap: Heatmap, path: Path) -> None:
    import nibabel as nib
    import numpy as np

    facts = {name: getattr(heatmap, name) for name in ("meaning", "ceiling", "of", "name")}
    image = nib.Nifti1Image(np.asarray(heatmap.values, dtype=np.float32), heatmap.affine)
    image.header["cal_min"], image.header["cal_max"] = 0.0, heatmap.ceiling
    image.header.set_xyzt_units("mm")
    comment = json.dumps(facts).encode()
    image.header.extensions.append(nib.nifti1.Nifti1Extension(COMMENT_EXTENSION, comment))
    with atomic_path(path) as partial:
        nib.save(image, partial)


def _content(extension: Any) -> str:
    raw = extension.get_content()
    text = raw.decode() if isinstance(raw, bytes) else str(raw)
    return text.rstrip("\0")
