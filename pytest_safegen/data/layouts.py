"""Whose scan a path is, guessed from its name and folders alone.

In this order:

1. BIDS: a folder or file name with `sub-X` (and `ses-Y`) names the subject and the session.
2. BraTS: `BraTS-GLI-00001-000-t1c` is session 000 of the subject BraTS-GLI-00001.
3. nnU-Net: `imagesTr/case_0001` is channel 0001 of the subject case.
4. A folder per DICOM series: the first folder is the subject, the next one the session.
5. A folder per patient: it holds one scan, or its files are named after it, or its files differ by
   modality and time alone (`t1c`, `baseline`, `scan_2`), in a folder with a number or with siblings
   that hold the same names. A time in a folder or file name is the session.
6. Otherwise each file is a subject of its own, named by its stem.

Folders of a collection (`images`, `train`, `batch_2`, ...) name no patient, and neither does a
single folder that holds everything. In doubt, two subjects: two patients in one series are worse.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pytest_safegen.data.model import Candidate, Folder
from pytest_safegen.data.names import (
    MODALITIES,
    entities,
    is_collection,
    is_container,
    is_time_name,
    modality_in,
    stem,
    times_in,
    words,
)

_BRATS = re.compile(
    r"(?P<subject>BraTS-[A-Za-z]+-[0-9]+)-(?P<session>[0-9]{3})(?:-(?P<modality>\w+))?"
)

_BRATS_STUDIES = {"GLI": "glioma", "MEN": "meningioma", "MET": "brain metastasis"}

_NNUNET = re.compile(r"(?P<subject>.+)_(?P<modality>[0-9]{4})")
_NNUNET_FOLDERS = ("imagesTr", "imagesTs", "imagesVal")

_GENERIC_WORDS = frozenset(
    ("scan", "image", "img", "volume", "vol", "brain", "head", "chest", "orig")
)


def identify(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The candidates with subject, session and modality; equal subjects are one patient."""
    named = {one.target: match for one in candidates if (match := _by_name(one)) is not None}
    others = [one for one in candidates if one.target not in named]
    by_target = named | _by_folders(others)
    identified = [by_target[one.target] for one in candidates]
    return tuple(_distinguish_modalities(_distinguish_subjects(identified)))


def _by_name(candidate: Candidate) -> Candidate | None:
    found = entities(candidate.parts)
    if "sub" in found:
        return _bids(candidate, found)
    return _brats(candidate) or _nnunet(candidate)


def _bids(candidate: Candidate, found: Mapping[str, str]) -> Candidate:
    folder = candidate.folder
    depth = next((n for n, part in enumerate(folder) if "sub" in entities([part])), None)
    return replace(
        candidate,
        subject=f"sub-{found['sub']}",
        session=f"ses-{found['ses']}" if "ses" in found else None,
        modality=candidate.modality or _bids_modality(candidate.name),
        namespace=_namespace(folder[:depth]),
    )


def _bids_modality(name: str) -> str | None:
    last = stem(name).split("_")[-1]
    return modality_in(name) or (None if "-" in last else last)


def _brats(candidate: Candidate) -> Candidate | None:
    match = _BRATS.fullmatch(stem(candidate.name))
    if match is None:
        return None
    pathology = _BRATS_STUDIES.get(match["subject"].split("-")[1].upper())
    return replace(
        candidate,
        subject=match["subject"],
        session=match["session"],
        modality=match["modality"],
        namespace=_namespace(part for part in candidate.folder if not _BRATS.fullmatch(part)),
        labels={"pathology_by_name": pathology} if pathology else {},
    )


def _nnunet(candidate: Candidate) -> Candidate | None:
    match = _NNUNET.fullmatch(stem(candidate.name))
    if match is None or not candidate.folder or candidate.folder[-1] not in _NNUNET_FOLDERS:
        return None
    return replace(
        candidate,
        subject=match["subject"],
        modality=match["modality"],
        namespace=candidate.folder,
    )


def _by_folders(candidates: Sequence[Candidate]) -> dict[str, Candidate]:
    """The candidates, by target, as their folders or else their own names identify them."""
    index = FolderIndex(candidates)
    owned = {one.target: found for one in candidates if (found := index.by_folder(one)) is not None}
    taken = {found.subject for found in owned.values()}
    others = [one for one in candidates if one.target not in owned]
    return owned | {one.target: index.by_stem(one, taken) for one in others}


class FolderIndex:
    """Candidates without a telling name, and what is known of each folder above them."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._total = len(candidates)
        self._below: defaultdict[Folder, list[Candidate]] = defaultdict(list)
        self._same_stem: Counter[tuple[Folder, str]] = Counter()
        self._siblings_with: Counter[tuple[Folder, str]] = Counter()
        self._is_patient: dict[Folder, bool] = {}
        for one in candidates:
            self._same_stem[one.folder, stem(one.name).lower()] += 1
            for depth in range(1, len(one.folder) + 1):
                self._below[one.folder[:depth]].append(one)
        for folder, below in self._below.items():
            names = {stem(one.name) for one in below}
            self._siblings_with.update((folder[:-1], name) for name in names)

    def by_folder(self, candidate: Candidate) -> Candidate | None:
        """The candidate with the patient that one of its folders is named after."""
        folders = candidate.parts if candidate.is_dicom else candidate.folder
        for depth, folder in enumerate(folders, start=1):
            if is_container(folder) or not self._names_patient(folders[:depth], candidate):
                continue
            times = self._times(folders[:depth])
            return replace(
                candidate,
                subject=folder,
                session=_session(candidate, folders, depth, times),
                modality=candidate.modality or _modality(candidate, times),
                namespace=_namespace(folders[: depth - 1]),
            )
        return None

    def by_stem(self, candidate: Candidate, taken: set[str]) -> Candidate:
        """The candidate as a subject of its own; with its ending where the stem is `taken`."""
        name = stem(candidate.name)
        is_unique = self._same_stem[candidate.folder, name.lower()] == 1 and name not in taken
        return replace(
            candidate,
            subject=name if is_unique else candidate.name,
            session=next((part for part in candidate.folder if is_time_name(part)), None),
            modality=candidate.modality or _modality(candidate, frozenset()),
            namespace=_namespace(candidate.folder),
        )

    def _names_patient(self, folder: Folder, candidate: Candidate) -> bool:
        if folder not in self._is_patient:
            self._is_patient[folder] = self._holds_one_patient(folder, candidate)
        return self._is_patient[folder]

    def _holds_one_patient(self, folder: Folder, candidate: Candidate) -> bool:
        below = self._below[folder] or [candidate]
        if len(below) == 1 or all(_is_named_after(folder[-1], one.name) for one in below):
            return True
        if len(below) == self._total:
            return False
        return candidate.is_dicom or self._differ_by_time_or_modality(folder, below)

    def _differ_by_time_or_modality(self, folder: Folder, below: Sequence[Candidate]) -> bool:
        times = self._times(folder)
        between = {part for one in below for part in one.folder[len(folder) :]}
        names = {stem(one.name) for one in below}
        has_siblings = any(self._siblings_with[folder[:-1], name] > 1 for name in names)
        return (
            (has_siblings or _has_digit(folder[-1]))
            and all(is_container(part) for part in between)
            and all(_is_generic(word, times) for name in names for word in words(name))
        )

    def _times(self, folder: Folder) -> frozenset[str]:
        return times_in(one.name for one in self._below[folder])


def _session(
    candidate: Candidate, folders: Folder, depth: int, times: frozenset[str]
) -> str | None:
    """A time above the patient's folder, else a folder below it, else a time in the name."""
    above = [part for part in folders[: depth - 1] if is_time_name(part)]
    below = [part for part in folders[depth:] if not is_collection(part)]
    below = [part for part in below if part.lower() not in MODALITIES]
    in_name = [word for word in words(stem(candidate.name)) if word in times]
    return next(iter([*above, *below, *in_name]), None)


def _namespace(folders: Iterable[str]) -> Folder:
    """The folders above a patient that keep it apart from others of the same name."""
    # One patient's scans may lie in folders by time or modality; these tell no patients apart.
    return tuple(
        part for part in folders if not is_time_name(part) and part.lower() not in MODALITIES
    )


def _is_named_after(folder: str, name: str) -> bool:
    """True for 002_S_0413 and ADNI_002_S_0413_MPRAGE, not for lesion and lesion_0001."""
    before, found, after = _spaced(stem(name)).partition(_spaced(folder))
    numbered = any(word.isdigit() and 3 <= len(word) < 8 for word in (before + after).split())
    return bool(found) and not numbered and _has_digit(folder)


def _spaced(name: str) -> str:
    return f" {' '.join(words(name))} "


def _has_digit(name: str) -> bool:
    return any(letter.isdigit() for letter in name)


def _is_generic(word: str, times: frozenset[str]) -> bool:
    # Three and more digits are more likely the number of a sample than of a patient's scan.
    number = word.strip("abcdefghijklmnopqrstuvwxyz")
    known = word in times or word in MODALITIES or word.rstrip("0123456789") in _GENERIC_WORDS
    return (known or word.isdigit()) and len(number) in (0, 1, 2, 8)


def _modality(candidate: Candidate, times: frozenset[str]) -> str | None:
    folder = next((part for part in candidate.folder[::-1] if part.lower() in MODALITIES), None)
    return modality_in(candidate.name, times) or folder


def _distinguish_subjects(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Put the namespace before the names that several patients share."""
    namespaces: defaultdict[str, set[Folder]] = defaultdict(set)
    for one in candidates:
        namespaces[one.subject].add(one.namespace)
    return [
        replace(one, subject="/".join((*one.namespace, one.subject)))
        if len(namespaces[one.subject]) > 1
        else one
        for one in candidates
    ]


def _distinguish_modalities(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Tell two BIDS scans of one session and modality apart by acq, run and the like."""
    counts = Counter((one.subject, one.session, one.modality) for one in candidates)
    return [
        replace(one, modality=_full_modality(one))
        if counts[one.subject, one.session, one.modality] > 1
        else one
        for one in candidates
    ]


def _full_modality(candidate: Candidate) -> str | None:
    found = entities(candidate.parts)
    extra = [f"{key}-{label}" for key, label in found.items() if key not in ("sub", "ses")]
    if "sub" not in found or not extra:
        return candidate.modality
    return " ".join([candidate.modality or "", *extra]).strip()
