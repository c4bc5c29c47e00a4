"""Which folders are a patient's, where no name follows a convention.

A folder is a patient's if it holds one scan, or if its files are called after it, or if they are
told apart by modality and time alone in a folder with a number or with siblings alike.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_safegen.names import (
    MODALITIES,
    is_collection,
    is_nobody,
    modality_in,
    says_time,
    stem,
    times_in,
    words,
)
from pytest_safegen.tree import Item

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


class Crowd:
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
            if is_nobody(folder):
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
        session = next((part for part in item.folder if says_time(part)), None)
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
            and all(is_nobody(part) for part in between)
            and all(_is_plain(word, times) for name in names for word in words(name))
        )

    def _times(self, folder: Folder) -> frozenset[str]:
        return times_in(item.name for item in self._below[folder])

    def _session(
        self, item: Item, folders: Folder, depth: int, times: frozenset[str]
    ) -> str | None:
        above = [part for part in folders[: depth - 1] if says_time(part)]
        below = [part for part in folders[depth:] if not is_collection(part)]
        below = [part for part in below if part.lower() not in MODALITIES]
        in_name = [word for word in words(stem(item.name)) if word in times]
        return next(iter([*above, *below, *in_name]), None)


def apart_from(folders: Iterable[str]) -> Folder:
    """The folders above a patient that keep it apart from others of the same name."""
    # One patient's scans may lie in folders by time or modality; these keep nobody apart.
    kept = [part for part in folders if not says_time(part)]
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
