"""What is made: the reference, the clean release and the release with planted faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from demo_data import artefacts, cohort, copies, faults
from demo_data.cohort import Rows
from demo_data.files import Planted
from demo_data.patients import Cohort, Patient

REFERENCE, CLEAN, FAULTY = "reference", "release-clean", "release-faulty"
REFERENCE_PATIENTS = 64
CLEAN_SINGLES = 24
CLEAN_SERIES = (
    ((0.0, 3.0, 6.0), 120.0),
    ((0.0, 4.0), 90.0),
    ((0.0, 3.0, 9.0), 200.0),
    ((0.0, 6.0), 180.0),
    ((0.0, 2.0), 75.0),
)
CLEAN_IN_FAULTY_RELEASE = 8


class Make(Protocol):
    """Writes one patient under a root and returns the rows of its scans."""

    def __call__(self, root: Path, subject: str, patient: Patient, /) -> Rows:
        """Write the scans of `subject`."""


@dataclass(frozen=True, slots=True)
class Job:
    """One patient to be made; `check` and `what` describe a planted fault, empty for none."""

    folder: str
    subject: str
    patient: Patient
    make: Make
    check: str = ""
    what: str = ""

    def run(self, root: Path) -> Rows:
        """Write the patient's scans under `root`."""
        return self.make(root / self.folder, self.subject, self.patient)

    def planted(self, rows: Rows) -> Planted | None:
        """The line for the table of planted faults: a series goes by its patient."""
        target = self.subject if self.check == "longitudinal" else rows[0].path
        return Planted(target, self.check, self.what) if self.check else None


FAULTS: tuple[tuple[str, str, Make], ...] = (
    ("anomaly", "ball of noise, 2 cm", partial(faults.damaged, by=artefacts.noise_ball)),
    ("anomaly", "tissue missing, 3 cm, filled flat",
     partial(faults.damaged, by=artefacts.dropped_tissue)),
    ("anomaly", "checkerboard over 5 cm", partial(faults.damaged, by=artefacts.checkerboard)),
    ("anomaly", "motion ghost", partial(faults.damaged, by=artefacts.motion_ghost)),
    ("anomaly", "over-smooth brain", partial(faults.damaged, by=artefacts.over_smooth)),
    ("anomaly", "piece of 5 cm repeated", partial(faults.damaged, by=artefacts.repeated_piece)),
    ("anomaly", "region of 5 cm too bright", partial(faults.damaged, by=artefacts.hot_spot)),
    ("memorization", "exact copy", partial(faults.copied, disturb=copies.exact)),
    ("memorization", "copy with noise and another contrast",
     partial(faults.copied, disturb=copies.noisy)),
    ("memorization", "copy turned by 4 degrees, shaded",
     partial(faults.copied, disturb=copies.turned)),
    ("memorization", "copy mirrored left to right",
     partial(faults.copied, disturb=copies.mirrored)),
    ("memorization", "half a copy in another brain", faults.half_copied),
    ("longitudinal", "lesion doubles in 2 days", faults.impossible_growth),
    ("longitudinal", "follow-up of another patient", faults.other_patient),
    ("longitudinal", "lesion mask outside the head", faults.mask_outside),
    ("longitudinal", "two scans at the same month", faults.same_time),
    ("integrity", "file ends early", faults.truncated),
    ("integrity", "text named .nii.gz", faults.text_file),
    ("integrity", "block of NaN", faults.not_a_number),
    ("integrity", "one value everywhere", faults.constant),
    ("integrity", "voxels without size", faults.no_spacing),
    ("integrity", "mask on another grid", faults.coarse_mask),
    ("metadata", "voxels of 3 mm", faults.other_spacing),
    ("metadata", "20 slices too many", faults.other_shape),
    ("metadata", "labelled FLAIR", faults.other_modality),
)  # fmt: skip


def jobs(seed: int) -> tuple[Job, ...]:
    """All patients to be made; the same seed makes the same files."""
    return (*_reference(seed), *_clean(seed), *_faulty(seed))


def _reference(seed: int) -> Iterator[Job]:
    for number in range(REFERENCE_PATIENTS):
        patient = Patient(seed, Cohort.REFERENCE, number)
        yield Job(REFERENCE, f"sub-R{number:03d}", patient, cohort.single)


def _clean(seed: int) -> Iterator[Job]:
    for number in range(CLEAN_SINGLES):
        patient = Patient(seed, Cohort.RELEASE, number)
        yield Job(CLEAN, f"sub-S{number:03d}", patient, cohort.single)
    for number, (months, doubling_days) in enumerate(CLEAN_SERIES, start=CLEAN_SINGLES):
        patient = Patient(seed, Cohort.RELEASE, number)
        make = partial(cohort.series, months=months, doubling_days=doubling_days)
        yield Job(CLEAN, f"sub-S{number:03d}", patient, make)


def _faulty(seed: int) -> Iterator[Job]:
    for number, (check, what, make) in enumerate(FAULTS):
        patient = Patient(seed, Cohort.FAULT, number)
        yield Job(FAULTY, f"sub-F{number:03d}", patient, make, check, what)
    for number in range(len(FAULTS), len(FAULTS) + CLEAN_IN_FAULTY_RELEASE):
        patient = Patient(seed, Cohort.FAULT, number)
        yield Job(FAULTY, f"sub-F{number:03d}", patient, cohort.single)
