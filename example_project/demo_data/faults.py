"""Scans and series with one planted fault each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from demo_data import artefacts, copies
from demo_data.brain import Image
from demo_data.cohort import Rows, single, write_series, write_single
from demo_data.files import (
    Row,
    erase_spacing,
    mask_path,
    save_array,
    save_scan,
    scan_path,
    truncate,
)
from demo_data.lesions import DAYS_PER_MONTH
from demo_data.patients import Cohort, Patient, scan_of, series_of
from demo_data.template import BoolArray

Change = Callable[[Image, np.random.Generator], Image]


def damaged(root: Path, subject: str, patient: Patient, *, by: Change) -> Rows:
    """A scan with an artefact of a broken generator."""
    return write_single(root, subject, by(scan_of(patient), patient.rng()))


def copied(root: Path, subject: str, patient: Patient, *, disturb: Change) -> Rows:
    """A disturbed copy of the reference patient with the same number."""
    return write_single(root, subject, disturb(scan_of(_source(patient)), patient.rng()))


def half_copied(root: Path, subject: str, patient: Patient) -> Rows:
    """Half of the reference patient with the same number, in another patient's brain."""
    image = copies.half(scan_of(_source(patient)), scan_of(patient))
    return write_single(root, subject, image)


def impossible_growth(root: Path, subject: str, patient: Patient) -> Rows:
    """A lesion that doubles its volume in 2 days."""
    months = (0.0, 2 / DAYS_PER_MONTH)
    images = series_of(patient, months=months, doubling_days=2.0)
    return write_series(root, subject, images, months=months)


def other_patient(root: Path, subject: str, patient: Patient) -> Rows:
    """A follow-up that shows another patient."""
    months = (0.0, 6.0)
    stranger = replace(patient, number=patient.number + 1000)
    first, _ = series_of(patient, months=months, doubling_days=180.0)
    _, second = series_of(stranger, months=months, doubling_days=180.0)
    return write_series(root, subject, (first, second), months=months)


def mask_outside(root: Path, subject: str, patient: Patient) -> Rows:
    """A follow-up whose lesion mask lies outside the head."""
    months = (0.0, 6.0)
    first, second = series_of(patient, months=months, doubling_days=180.0)
    misplaced = replace(second, lesion=_in_corner(second.lesion))
    return write_series(root, subject, (first, misplaced), months=months)


def same_time(root: Path, subject: str, patient: Patient) -> Rows:
    """Two scans that claim the same month although the lesion grew between them."""
    images = series_of(patient, months=(6.0, 9.0), doubling_days=150.0)
    return write_series(root, subject, images, months=(6.0, 6.0))


def truncated(root: Path, subject: str, patient: Patient) -> Rows:
    """A file that ends after 60 % of its bytes."""
    rows = single(root, subject, patient)
    truncate(root / rows[0].path)
    return rows


def text_file(root: Path, subject: str, _patient: Patient) -> Rows:
    """A text that is named .nii.gz."""
    path = root / scan_path(subject)
    path.parent.mkdir(parents=True)
    path.write_text("The download failed: 404 Not Found\n", encoding="utf-8")
    return (Row(scan_path(subject)),)


def not_a_number(root: Path, subject: str, patient: Patient) -> Rows:
    """A block of 2 cm of NaN."""
    image = scan_of(patient)
    block = artefacts.cube(image, artefacts.inner_place(image, patient.rng()), side=20.0)
    voxels = np.where(block, np.float32(np.nan), image.voxels)
    save_array(root / scan_path(subject), voxels, image.affine)
    return (Row(scan_path(subject)),)


def constant(root: Path, subject: str, patient: Patient) -> Rows:
    """A volume with one and the same value everywhere."""
    image = scan_of(patient)
    return write_single(root, subject, replace(image, voxels=np.full_like(image.voxels, 500)))


def no_spacing(root: Path, subject: str, patient: Patient) -> Rows:
    """A header whose voxels have no size."""
    rows = single(root, subject, patient)
    erase_spacing(root / rows[0].path)
    return rows


def coarse_mask(root: Path, subject: str, patient: Patient) -> Rows:
    """A brain mask on a grid of 4 mm, given as the lesion mask of a scan of 2 mm."""
    image = scan_of(patient)
    rows = write_single(root, subject, image)
    coarse = image.affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    mask = image.mask[::2, ::2, ::2].astype(np.uint8)
    save_array(root / mask_path(rows[0].path), mask, coarse)
    return rows


def other_spacing(root: Path, subject: str, patient: Patient) -> Rows:
    """A header that claims voxels of 3 mm."""
    path = scan_path(subject)
    save_scan(root / path, scan_of(patient), spacing=3.0)
    return (Row(path),)


def other_shape(root: Path, subject: str, patient: Patient) -> Rows:
    """A scan on a grid with 20 empty slices more on top."""
    image = scan_of(patient)
    more = ((0, 0), (0, 0), (0, 20))
    taller = replace(image, voxels=np.pad(image.voxels, more), mask=np.pad(image.mask, more))
    return write_single(root, subject, taller)


def other_modality(root: Path, subject: str, patient: Patient) -> Rows:
    """A T1-weighted scan that is labelled FLAIR."""
    path = scan_path(subject, modality="FLAIR")
    save_scan(root / path, scan_of(patient))
    return (Row(path),)


def _source(patient: Patient) -> Patient:
    return replace(patient, cohort=Cohort.REFERENCE)


def _in_corner(lesion: BoolArray | None) -> BoolArray:
    """The lesion's mask, pushed into the corner of the grid."""
    if lesion is None:
        raise ValueError("This scan has no lesion whose mask could be moved.")
    lowest = np.argwhere(lesion).min(axis=0)
    return np.roll(lesion, tuple(-lowest), axis=(0, 1, 2))
