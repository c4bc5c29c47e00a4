"""What file and folder names mean: stems, words, times, modalities, natural order.

No file is opened here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
"""Endings of the files that are read as scans, the longest first."""

_MODALITIES = (
    "t1 t1w t1c t1ce t1n t1gd t1post t1mri t2 t2w t2f t2star t2starw flair pd pdw pdt2 swi dwi adc "
    "mra tof mr mri mprage mp2rage uni unit1 ct cta cect ncct pet spect cbct"
)

MODALITIES = frozenset(_MODALITIES.split())
"""Words for what was measured, as they end file names or name folders."""

_COUNTED = (
    "batch center checkpoint class cohort epoch fold gen generated generator group iter model part "
    "release run seed set site split step test train training val valid validation version v"
)

_UNCOUNTED = (
    "anat archive case cases control controls data dataset datasets derivatives dicom dicoms "
    "diseased eval export fake final healthy image images imagestr imagests imagesval imgs input "
    "inputs models neg negative nifti niftis nii nrrd original output outputs patients pos "
    "positive raw rawdata real sample samples scan scans series sick source studies study subjects "
    "syn synth synthetic testing volume volumes"
)

_COLLECTIONS = frozenset((_COUNTED + " " + _UNCOUNTED).split())

_COUNTED_COLLECTION = re.compile(f"({'|'.join(_COUNTED.split())})[0-9]*|[0-9]+")

_TIME = re.compile(
    r"(ses|session|visit|tp|timepoint|time|month|months|week|day|year|exam|study|m|w|v)[0-9]+"
    r"|t[03-9]|baseline|bl|followup[0-9]*|fu[0-9]*|(19|20)[0-9]{6}"
)


def stem(name: str) -> str:
    """The file name without the ending of its format.

    >>> stem("sub-01_T1w.nii.gz")
    'sub-01_T1w'
    """
    lower = name.lower()
    ending = next((suffix for suffix in SUFFIXES if lower.endswith(suffix)), "")
    return name[: len(name) - len(ending)]


def is_scan_name(name: str) -> bool:
    """True if the ending is one of a format that is read."""
    return name.lower().endswith(SUFFIXES)


def words(text: str) -> tuple[str, ...]:
    """The lower-case words of a name.

    >>> words("sub-01_label-Lesion_mask")
    ('sub', '01', 'label', 'lesion', 'mask')
    """
    return tuple(word for word in re.split(r"[\W_]+", text.lower()) if word)


def natural_key(text: str) -> tuple[object, ...]:
    """A sort key in natural order: scan2 before scan10, for numbers of any length.

    >>> sorted(["ses-10", "ses-2"], key=natural_key)
    ['ses-2', 'ses-10']
    """
    pieces = re.split(r"([0-9]+)", text)
    first, *rest = pieces[0], *zip(pieces[1::2], pieces[2::2], strict=True)
    counted = ((len(n := digits.lstrip("0")), n, after.casefold()) for digits, after in rest)
    return (first.casefold(), *counted, (-1, text, ""))


def is_time(word: str) -> bool:
    """True if a lower-case word is a time: ses02, tp1, baseline, month12, 20240131, t0."""
    return _TIME.fullmatch(word) is not None


def times_in(names: Iterable[str]) -> frozenset[str]:
    """The words of file names that are times.

    "t1" and "t2" are MRI contrasts, unless there is a "t0", "t3" or later as well.
    """
    found = frozenset(word for name in names for word in words(stem(name)))
    times = frozenset(word for word in found if is_time(word))
    counts = any(re.fullmatch(r"t[03-9]", word) for word in times)
    return times | (found & {"t1", "t2"}) if counts else times


def is_time_name(folder: str) -> bool:
    """True if a folder is named after a time, such as ses-02, baseline or 2024-01-31."""
    return is_time("".join(words(folder)))


def is_collection(folder: str) -> bool:
    """True if a folder is named after a collection, such as images, train or batch_2."""
    found = words(folder)
    counted = all(_COUNTED_COLLECTION.fullmatch(word) for word in found)
    named = any(not word.isdigit() for word in found)
    return named and (counted or all(word in _COLLECTIONS for word in found))


def is_container(folder: str) -> bool:
    """True if a folder is named after a collection, a time or a modality, so not a patient."""
    return is_collection(folder) or is_time_name(folder) or folder.lower() in MODALITIES


def modality_in(name: str, times: frozenset[str] = frozenset()) -> str | None:
    """The last word of a file name that is a modality, as it is written, and not in `times`."""
    found = [word for word in re.split(r"[\W_]+", stem(name)) if word.lower() in MODALITIES - times]
    return found[-1] if found else None


_ENTITY = re.compile(r"(?P<key>[A-Za-z]+)-(?P<label>[^_]+)")


def entities(parts: Iterable[str]) -> dict[str, str]:
    """The BIDS entities of a path, {"sub": "01", "ses": "02"}; the first of a key counts."""
    found: dict[str, str] = {}
    for part in parts:
        for chunk in stem(part).split("_"):
            if match := _ENTITY.fullmatch(chunk):
                found.setdefault(match["key"], match["label"])
    return found
