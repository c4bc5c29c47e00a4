"""The template, the mean of the reference scans, and scans aligned to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_safegen.core.errors import NotJudged
from pytest_safegen.core.scan import Prepared
from pytest_safegen.prepare.intensity import MIN_BODY_VOXELS
from pytest_safegen.prepare.options import PrepareOptions
from pytest_safegen.prepare.registration import centre_of_mass_frame, grid_frame, register
from pytest_safegen.prepare.resample import correlation, read_only, resample

if TYPE_CHECKING:
    from pytest_safegen.core.scan import Affine, FloatArray


@dataclass(frozen=True, slots=True)
class Template:
    """The mean of the reference scans on their common grid.

    `voxels` float32 (i, j, k); `body` float32 (i, j, k), share of scans with body there; `affine`
    4x4 to mm in the template's own world.
    """

    voxels: FloatArray
    body: FloatArray
    affine: Affine
    options: PrepareOptions

    def as_prepared(self) -> Prepared:
        """The template as a scan that others can be registered to."""
        return Prepared(self.voxels, self.body > 0.5, self.affine, np.eye(4))


def align(prepared: Prepared, template: Template) -> Prepared:
    """The scan on the template's grid, after affine registration or centring.

    Raises:
        NotJudged: the scan and the template have no overlap to register.
    """
    mapping = _mapping(prepared, template)
    voxels, share = _resampled(prepared, template.affine, template.voxels.shape, mapping)
    body = share > 0.5
    if body.sum() < MIN_BODY_VOXELS:
        raise NotJudged(
            "after alignment the scan does not overlap the reference scans",
            headline="No overlap with the reference scans",
        )
    similarity = correlation(voxels, template.voxels, where=template.body > 0.5)
    return Prepared(read_only(voxels), read_only(body), template.affine, mapping, similarity)


def build_template(
    scans: Sequence[Prepared], options: PrepareOptions, *, rounds: int = 2
) -> Template:
    """Mean of some prepared scans, aligned to their own running mean `rounds` times."""
    template = _first_template(scans, options)
    for _ in range(rounds if options.align == "affine" else 1):
        template = _mean_of([align(scan, template) for scan in scans], template)
    return template


def _mapping(prepared: Prepared, template: Template) -> Affine:
    if template.options.align == "centre":
        return grid_frame(prepared) @ np.linalg.inv(grid_frame(template.as_prepared()))
    return register(template.as_prepared(), prepared, kind="affine")


def _first_template(scans: Sequence[Prepared], options: PrepareOptions) -> Template:
    """The mean of the scans, aligned by their centres alone."""
    shapes = np.array([scan.voxels.shape for scan in scans])
    margin = 0 if options.align == "centre" else 8
    shape = np.round(np.median(shapes, axis=0)).astype(int) + margin
    affine = np.diag([options.spacing] * 3 + [1.0])
    affine[:3, 3] = [-options.spacing * (int(n) - 1) / 2 for n in shape]
    means, bodies = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for scan in scans:
        frame = grid_frame(scan) if options.align == "centre" else centre_of_mass_frame(scan)
        voxels, share = _resampled(scan, affine, shape.tolist(), frame)
        means += voxels / len(scans)
        bodies += share / len(scans)
    return Template(means, bodies, affine, options)


def _resampled(
    prepared: Prepared, affine: Affine, shape: Sequence[int], mapping: Affine
) -> tuple[FloatArray, FloatArray]:
    """Voxels and share of body of a prepared scan on another grid, both float32."""
    body = prepared.body.astype(np.float32)
    return (
        resample(
            prepared.voxels, prepared.affine, to_affine=affine, to_shape=shape, mapping=mapping
        ),
        resample(body, prepared.affine, to_affine=affine, to_shape=shape, mapping=mapping),
    )


def _mean_of(aligned: Iterable[Prepared], template: Template) -> Template:
    pairs = [(scan.voxels, scan.body) for scan in aligned]
    voxels, body = np.zeros_like(template.voxels), np.zeros_like(template.body)
    for one, its_body in pairs:
        voxels += one / len(pairs)
        body += its_body / len(pairs)
    return Template(voxels, body, template.affine, template.options)
