"""For authors of detectors: phantoms, planted faults, and a check of the contract.

Phantoms are small synthetic heads, fast enough for unit tests. They do not show how well a
detector works on real scans. The families of faults are those of `pytest_safegen.faults`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pytest_safegen.config.hookspecs import Detector, Explains
from pytest_safegen.core.scan import Scan, ScanRef
from pytest_safegen.core.score import Heatmap, Profile, Score
from pytest_safegen.core.targets import ScanTarget, Scope
from pytest_safegen.data.table import facts_of
from pytest_safegen.faults import (
    FAMILIES as FAMILIES,
    Canvas as Canvas,
    Planted as Planted,
    canvas_of as canvas_of,
    plant as plant,
)
from pytest_safegen.judging.heatmaps import LAYER_NAME
from pytest_safegen.prepare.canonical import canonical
from pytest_safegen.prepare.guess import common_options, guess_options
from pytest_safegen.prepare.resample import spacing_of
from pytest_safegen.prepare.template import Template, align, build_template

Volume = NDArray[np.float32]

SHAPE = (40, 48, 40)
SPACING = 4.0
TEMPLATE_SEED = 10_000


def phantom(subject: int, *, session: int = 0) -> Scan:
    """A synthetic head: float32 (40, 48, 40) at 4 mm, background 0, tissue about 100.

    The same subject has the same anatomy in every session, with new noise.
    """
    shared, own = (np.random.default_rng(seed) for seed in (TEMPLATE_SEED, subject))
    noise = np.random.default_rng([subject, session])
    head = _ellipsoid(own)
    anatomy = 8 * _field(shared, 4.0) + 5 * _field(own, 2.0) + 4 * _field(own, 1.2)
    values = np.where(head, 100 + anatomy + 1.5 * noise.normal(size=SHAPE), 0.0)
    affine = np.diag([SPACING, SPACING, SPACING, 1.0])
    affine[:3, 3] = [-SPACING * (n - 1) / 2 for n in SHAPE]
    name = f"sub-{subject:02d}"
    visit = f"ses-{session:02d}" if session else None
    folder = Path(name, *([visit] if visit else []), "anat")
    path = folder / f"{'_'.join(filter(None, (name, visit)))}_T1w.nii.gz"
    ref = ScanRef(path.as_posix(), name, visit, "T1w", path)
    return Scan(ref, values.astype(np.float32), affine, stored_type="float32")


def write_scan(scan: Scan, root: Path) -> Path:
    """Write a scan below a data root, where its target says; the path of the file."""
    path = root / scan.ref.target
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.asarray(scan.voxels), scan.affine), path)
    return path


def write_cohort(root: Path, subjects: Iterable[int]) -> Path:
    """A folder of phantoms in BIDS layout; the folder."""
    for subject in subjects:
        write_scan(phantom(subject), root)
    return root


def with_noise_ball(scan: Scan, *, radius: float, seed: int = 0) -> tuple[Scan, NDArray[np.bool_]]:
    """The scan with a ball of noise (radius in mm) in its middle, and where the ball is."""
    distance = _distance_from_middle(scan)
    ball = distance <= radius
    values = np.array(scan.voxels)
    spread = 0.5 * float(values.max())
    values[ball] += np.random.default_rng(seed).normal(0, spread, int(ball.sum()))
    return replace(scan, voxels=values), ball


def with_gap(scan: Scan, *, radius: float) -> tuple[Scan, NDArray[np.bool_]]:
    """The scan with a ball (radius in mm) in its middle set to 0, and where the ball is."""
    ball = _distance_from_middle(scan) <= radius
    return replace(scan, voxels=np.where(ball, 0, scan.voxels).astype(np.float32)), ball


def targets(scans: Iterable[Scan], template: Template | None = None) -> list[ScanTarget]:
    """Scans as detectors get them, aligned to a template if there is one."""
    found = []
    for scan in scans:
        target = ScanTarget(scan.ref, scan, facts=facts_of(scan))
        if template is not None:
            own = canonical(scan, template.options)
            target = replace(target, own=own, prepared=align(own, template))
        found.append(target)
    return found


def template_of(scans: Iterable[Scan]) -> Template:
    """The template of some scans."""
    known = list(scans)
    options = common_options([guess_options(scan) for scan in known])
    return build_template([canonical(scan, options) for scan in known], options)


def check_detector(detector: Detector, *, subjects: int = 10) -> None:
    """Fit and run a scan detector on phantoms, and check that it keeps the contract.

    Raises:
        AssertionError: the rule that the detector breaks, in one sentence.
    """
    _require(detector.scope is Scope.SCAN, "check_detector is for detectors of single scans")
    scans = [phantom(subject) for subject in range(subjects)]
    template = template_of(scans)
    reference = [replace(t, scan=None) for t in targets(scans, template)]
    profile = _profile(detector, reference)
    unseen = targets([phantom(subjects), phantom(subjects + 1)], template)
    scorer = detector.open(profile, device="cpu")
    first = scorer.score(unseen)
    again = detector.open(profile, device="cpu").score(unseen)
    _require(len(first) == len(unseen), "score() must return one score per target")
    for one, two, target in zip(first, again, unseen, strict=True):
        numbers = [m.value for m in one.measures] + ([] if one.value is None else [one.value])
        _require(bool(numbers), "a score must hold a value or measures")
        _require(bool(np.isfinite(numbers).all()), "the score of an intact scan must be finite")
        _require(one.value == two.value, "the same scan must get the same score twice")
        alone = scorer.score([target])[0]
        _require(one.value == alone.value, "a scan must get the same score alone as in a batch")
        _require_heatmap_on_grid(one.heatmap, target)
    _require_explanations(scorer, unseen[0], first[0])


def _require_heatmap_on_grid(heatmap: Heatmap | None, target: ScanTarget) -> None:
    if heatmap is None or target.scan is None:
        return
    same = heatmap.values.shape == target.scan.voxels.shape
    same = same and np.allclose(heatmap.affine, target.scan.affine)
    _require(same, "a heatmap must lie on the scan's own grid")
    _require(bool(np.isfinite(heatmap.values).all()), "a heatmap must be finite")


def _require_explanations(scorer: object, target: ScanTarget, score: Score) -> None:
    if not isinstance(scorer, Explains):
        return
    layers = scorer.explain(target, score)
    names = [layer.name for layer in layers]
    _require(all(map(LAYER_NAME.fullmatch, names)), "an explanation needs a short, lower-case name")
    _require(len(set(names)) == len(names), "every explanation needs a name of its own")
    for layer in layers:
        if isinstance(layer, Heatmap):
            _require_heatmap_on_grid(layer, target)


def _profile(detector: Detector, reference: list[ScanTarget]) -> Profile:
    fitted = detector.fit(reference, seed=0)
    none = np.empty(0)
    return Profile(detector.name, "", fitted.arrays, fitted.facts, none, "", len(reference))


def _require(is_kept: bool, rule: str) -> None:
    if not is_kept:
        raise AssertionError(rule)


def _ellipsoid(random: np.random.Generator) -> NDArray[np.bool_]:
    radii = np.array([0.75, 0.8, 0.7]) * random.uniform(0.95, 1.05, 3)
    axes = [np.linspace(-1, 1, n) / r for n, r in zip(SHAPE, radii, strict=True)]
    i, j, k = np.meshgrid(*axes, indexing="ij")
    return np.asarray(i**2 + j**2 + k**2 <= 1)


def _field(random: np.random.Generator, sigma: float) -> Volume:
    """A smooth random field with standard deviation 1."""
    field = ndimage.gaussian_filter(random.normal(size=SHAPE), sigma)
    return np.asarray(field / field.std(), dtype=np.float32)


def _distance_from_middle(scan: Scan) -> NDArray[np.float64]:
    index = np.indices(scan.voxels.shape).reshape(3, -1)
    middle = (np.array(scan.voxels.shape) - 1) / 2
    steps = (index - middle[:, None]) * spacing_of(scan.affine)[:, None]
    return np.asarray(np.linalg.norm(steps, axis=0).reshape(scan.voxels.shape))
