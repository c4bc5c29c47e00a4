"""Whose scan a path is, guessed from its name and folders alone.

In this order:

1. BIDS: a folder or file name with `sub-X` (and `ses-Y`) names the subject and the session.
2. BraTS: `BraTS-GLI-00001-000-t1c` is session 000 of the subject BraTS-GLI-00001.
3. nnU-Net: `imagesTr/case_0001` is channel 0001 of the subject case.
4. A folder per DICOM series: the first folder is the subject, the next one the session.
5. A folder per patient: it holds one scan, or its files are called after it, or they are told
   apart by modality and time alone (`t1c`, `baseline`, `scan_2`) in a folder with a number or with
   siblings alike. A time in a folder or file name is the session.
6. Otherwise each file is a subject of its own, named by its stem.

Folders of a collection (`images`, `train`, `batch_2`, ...) are nobody's, and neither is a single
folder that holds everything. Rather two subjects too many than two patients in one series.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

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
from pytest_safegen.data.tree import Item

Folder = tuple[str, ...]

_EMPTY_WORDS = frozenset(
    ("scan", "image", "img", "volume", "vol", "brain", "head", "chest", "orig")
)


@dataclass(frozen=True, slots=True)
class Guess:
    """Whose scan an item is; `apart` are the folders that keep equal names of patients apart.

    `labels` is what the name says of the patient.
    """

    subject: str
    session: str | None = None
    modality: str | None = None
    apart: Folder = ()
    labels: Mapping[str, str] = field(default_factory=dict)


class FolderIndex:
    """Items without a telling name, and what is known of each folder above them."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._total = len(items)
        self._below: defaultdict[Folder, list[Item]] = defaultdict(list)
        self._twins: Counter[tuple[Folder, str]] = Counter()
        self._alike: Counter[tuple[Folder, str]] = Counter()
        self._patients: dict[Folder, bool] = {}
        for item in items:
            self._twins[item.folder, stem(item.name).lower()] += 1
            for depth in range(1, len(item.folder) + 1):
                self._below[item.folder[:depth]].append(item)
        for folder, below in self._below.items():
            self._alike.update((folder[:-1], name) for name in {stem(i.name) for i in below})

    def owner(self, item: Item) -> Guess | None:
        """The patient that one of the item's folders is named after."""
        folders = item.parts if item.is_dicom else item.folder
        for depth, folder in enumerate(folders, start=1):
            if is_container(folder):
                continue
            if self._is_patient(folders[:depth], item):
                times = self._times(folders[:depth])
                session = self._session(item, folders, depth, times)
                modality = item.modality or _modality_of(item, times)
                return Guess(folder, session, modality, apart_from(folders[: depth - 1]))
        return None

    def alone(self, item: Item, taken: set[str]) -> Guess:
        """The item as a subject of its own."""
        name = stem(item.name)
        unique = self._twins[item.folder, name.lower()] == 1 and name not in taken
        session = next((part for part in item.folder if is_time_name(part)), None)
        modality = item.modality or _modality_of(item, frozenset())
        return Guess(name if unique else item.name, session, modality, apart_from(item.folder))

    def _is_patient(self, folder: Folder, item: Item) -> bool:
        if folder not in self._patients:
            self._patients[folder] = self._judge(folder, item)
        return self._patients[folder]

    def _judge(self, folder: Folder, item: Item) -> bool:
        below = self._below[folder] or [item]
        if len(below) == 1 or all(_called_after(folder[-1], other.name) for other in below):
            return True
        if len(below) == self._total:
            return False
        if item.is_dicom:
            return True
        return self._told_apart_by_time(folder, below)

    def _told_apart_by_time(self, folder: Folder, below: Sequence[Item]) -> bool:
        times = self._times(folder)
        between = {part for other in below for part in other.folder[len(folder) :]}
        names = {stem(other.name) for other in below}
        alike = any(self._alike[folder[:-1], name] > 1 for name in names)
        return (
            (alike or _has_digit(folder[-1]))
            and all(is_container(part) for part in between)
            and all(_is_plain(word, times) for name in names for word in words(name))
        )

    def _times(self, folder: Folder) -> frozenset[str]:
        return times_in(item.name for item in self._below[folder])

    def _session(
        self, item: Item, folders: Folder, depth: int, times: frozenset[str]
    ) -> str | None:
        above = [part for part in folders[: depth - 1] if is_time_name(part)]
        below = [part for part in folders[depth:] if not is_collection(part)]
        below = [part for part in below if part.lower() not in MODALITIES]
        in_name = [word for word in words(stem(item.name)) if word in times]
        return next(iter([*above, *below, *in_name]), None)


def apart_from(folders: Iterable[str]) -> Folder:
    """The folders above a patient that keep it apart from others of the same name."""
    # One patient's scans may lie in folders by time or modality; these keep nobody apart.
    kept = [part for part in folders if not is_time_name(part)]
    return tuple(part for part in kept if part.lower() not in MODALITIES)


def _called_after(folder: str, name: str) -> bool:
    """True for 002_S_0413 and ADNI_002_S_0413_MPRAGE, not for lesion and lesion_0001."""
    before, found, after = _spaced(stem(name)).partition(_spaced(folder))
    samples = any(word.isdigit() and 3 <= len(word) < 8 for word in (before + after).split())
    return bool(found) and not samples and _has_digit(folder)


def _spaced(name: str) -> str:
    return f" {' '.join(words(name))} "


def _has_digit(name: str) -> bool:
    return any(letter.isdigit() for letter in name)


def _is_plain(word: str, times: frozenset[str]) -> bool:
    # Three and more digits rather number samples than the scans of one patient.
    number = word.strip("abcdefghijklmnopqrstuvwxyz")
    plain = word in times or word in MODALITIES or word.rstrip("0123456789") in _EMPTY_WORDS
    return (plain or word.isdigit()) and len(number) in (0, 1, 2, 8)


def _modality_of(item: Item, times: frozenset[str]) -> str | None:
    folder = next((part for part in item.folder[::-1] if part.lower() in MODALITIES), None)
    return modality_in(item.name, times) or folder


_BRATS = re.compile(
    r"(?P<subject>BraTS-[A-Za-z]+-[0-9]+)-(?P<session>[0-9]{3})(?:-(?P<modality>\w+))?"
)

_BRATS_STUDIES = {"GLI": "glioma", "MEN": "meningioma", "MET": "brain metastasis"}

_NNUNET = re.compile(r"(?P<subject>.+)_(?P<modality>[0-9]{4})")


def guess_all(items: Sequence[Item]) -> Mapping[Item, Guess]:
    """A guess for each item, made in view of all of them; equal subjects are one patient."""
    guesses = {item: guess for item in items if (guess := _by_name(item)) is not None}
    guesses |= _by_folders([item for item in items if item not in guesses])
    return _with_entities(_told_apart(guesses))


def _by_name(item: Item) -> Guess | None:
    found = entities(item.parts)
    if "sub" in found:
        return _bids(item, found)
    if match := _BRATS.fullmatch(stem(item.name)):
        apart = apart_from(part for part in item.folder if not _BRATS.fullmatch(part))
        study = match["subject"].split("-")[1].upper()
        known = _BRATS_STUDIES.get(study)
        labels = {"pathology_by_name": known} if known else {}
        return Guess(match["subject"], match["session"], match["modality"], apart, labels)
    match = _NNUNET.fullmatch(stem(item.name))
    if match and item.folder and item.folder[-1] in ("imagesTr", "imagesTs", "imagesVal"):
        return Guess(match["subject"], None, match["modality"], item.folder)
    return None


def _bids(item: Item, found: Mapping[str, str]) -> Guess:
    subject = f"sub-{found['sub']}"
    session = f"ses-{found['ses']}" if "ses" in found else None
    above = next((n for n, part in enumerate(item.folder) if "sub" in entities([part])), None)
    apart = apart_from(item.folder[:above])
    return Guess(subject, session, item.modality or _bids_modality(item.name), apart)


def _bids_modality(name: str) -> str | None:
    last = stem(name).split("_")[-1]
    return modality_in(name) or (None if "-" in last else last)


def _by_folders(items: Sequence[Item]) -> dict[Item, Guess]:
    crowd = FolderIndex(items)
    owned = {item: guess for item in items if (guess := crowd.owner(item)) is not None}
    taken = {guess.subject for guess in owned.values()}
    return owned | {item: crowd.alone(item, taken) for item in items if item not in owned}


def _told_apart(guesses: Mapping[Item, Guess]) -> dict[Item, Guess]:
    places: defaultdict[str, set[Folder]] = defaultdict(set)
    for guess in guesses.values():
        places[guess.subject].add(guess.apart)
    return {
        item: replace(guess, subject="/".join((*guess.apart, guess.subject)))
        if len(places[guess.subject]) > 1
        else guess
        for item, guess in guesses.items()
    }


def _with_entities(guesses: Mapping[Item, Guess]) -> dict[Item, Guess]:
    """Tell two BIDS scans of one session and modality apart by acq, run and the like."""
    counts = Counter((g.subject, g.session, g.modality) for g in guesses.values())
    return {
        item: replace(guess, modality=_full_modality(item, guess))
        if counts[guess.subject, guess.session, guess.modality] > 1
        else guess
        for item, guess in guesses.items()
    }


def _full_modality(item: Item, guess: Guess) -> str | None:
    found = entities(item.parts)
    extra = [f"{key}-{label}" for key, label in found.items() if key not in ("sub", "ses")]
    if "sub" not in found or not extra:
        return guess.modality
    return " ".join([guess.modality or "", *extra]).strip()
