"""Clean scans and series of patients, written as BIDS does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from demo_data.brain import Image
from demo_data.files import (
    Row,
    mask_path,
    save_array,
    save_scan,
    save_sessions,
    scan_path,
)
from demo_data.patients import Patient, scan_of, series_of

Rows = tuple[Row, ...]


def single(root: Path, subject: str, patient: Patient) -> Rows:
    """One clean scan of one patient."""
    return write_single(root, subject, scan_of(patient))


def series(
    root: Path, subject: str, patient: Patient, *, months: Sequence[float], doubling_days: float
) -> Rows:
    """Clean scans of one patient with one growing lesion."""
    images = series_of(patient, months=months, doubling_days=doubling_days)
    return write_series(root, subject, images, months=months)


def write_single(root: Path, subject: str, image: Image) -> Rows:
    """Write one scan without sessions."""
    path = scan_path(subject)
    save_scan(root / path, image)
    return (Row(path),)


def write_series(
    root: Path, subject: str, images: Sequence[Image], *, months: Sequence[float]
) -> Rows:
    """Write the scans of one patient with masks and the table of sessions."""
    visits = {f"ses-{number:02d}": month for number, month in enumerate(months, start=1)}
    rows = tuple(
        _write_session(root, subject, image, session=session)
        for session, image in zip(visits, images, strict=True)
    )
    save_sessions(root / subject, visits)
    return rows


def _write_session(root: Path, subject: str, image: Image, *, session: str) -> Row:
    path = scan_path(subject, session=session)
    save_scan(root / path, image)
    if image.lesion is None:
        return Row(path)
    save_array(root / mask_path(path), image.lesion.astype(np.uint8), image.affine)
    return Row(path, pathology="glioma", treated="no")
