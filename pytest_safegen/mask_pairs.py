"""Which mask of the pathology belongs to which scan.

A mask belongs to a scan that is called alike beside it (or in the folder of images that goes with
its folder of masks), to all scans of a session that has one mask only, or, within `derivatives`,
to the scans with the same `sub`, `ses` and `space`. A mask of the brain or of the anatomy is never
taken, and a `dseg` in derivatives only if it is named by a pathology.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from pytest_safegen.layouts import entities
from pytest_safegen.masks import PATHOLOGIES, core_words, is_mask_folder, is_numbered, names_of_scan
from pytest_safegen.names import MODALITIES, stem, words
from pytest_safegen.patients import Guess
from pytest_safegen.tree import Item

_ANATOMIES = (
    "brain brainmask aseg aparc aparcaseg parcellation parc probseg atlas gm wm csf tissue tissues "
    "body bodymask head headmask skull foreground lung lungs lungmask lobe lobes deface defacemask "
    "synthseg dlmuse ventricle ventricles hippocampus bet organs"
)
_ANATOMY = frozenset(_ANATOMIES.split())

Place = tuple[str, ...]


def pair(guesses: Mapping[Item, Guess], masks: Sequence[Item]) -> dict[Item, Item]:
    """The mask of each scan that has one; the one named by a pathology wins over others."""
    scans = _Scans(guesses)
    fitting: defaultdict[Item, list[Item]] = defaultdict(list)
    for mask in sorted(masks, key=_preference):
        for scan in scans.of(mask):
            fitting[scan].append(mask)
    return {scan: found[0] for scan, found in fitting.items()}


def reasons(masks: Sequence[Item], pairs: Mapping[Item, Item]) -> dict[Item, str]:
    """Say of each mask whose it is, or why it is nobody's."""
    owners: defaultdict[Item, list[str]] = defaultdict(list)
    for scan, mask in pairs.items():
        owners[mask].append(scan.target)
    return {mask: _reason(mask, owners[mask]) for mask in masks}


def _reason(mask: Item, owners: Sequence[str]) -> str:
    if owners:
        return f"the mask of {', '.join(owners)}"
    if _is_anatomy(mask):
        return "a mask of the anatomy, not of the pathology"
    if is_numbered(mask):
        return "a mask with a number, which may be one of many; join them into one mask"
    return "a mask that belongs to no scan found, or gives way to a better one"


class _Scans:
    """Scans by where they lie, so that a mask finds its own quickly."""

    def __init__(self, guesses: Mapping[Item, Guess]) -> None:
        self._guesses = guesses
        self._named: defaultdict[tuple[Place, Place], list[Item]] = defaultdict(list)
        self._placed: defaultdict[Place, list[Item]] = defaultdict(list)
        self._subjects: defaultdict[tuple[str, str | None], list[Item]] = defaultdict(list)
        for scan in guesses:
            place = _place(scan)
            self._placed[place].append(scan)
            for name in names_of_scan(scan):
                self._named[place, name].append(scan)
            found = entities(scan.parts)
            if "sub" in found:
                self._subjects[found["sub"], found.get("ses")].append(scan)

    def of(self, mask: Item) -> list[Item]:
        """The scans that a mask belongs to; none for the anatomy or one part of many."""
        if _is_anatomy(mask) or is_numbered(mask):
            return []
        beside = "derivatives" not in mask.folder
        found = self._named[_place(mask), core_words(mask)] if beside else []
        return found or self._by_entities(mask) or (self._only_session(mask) if beside else [])

    def _by_entities(self, mask: Item) -> list[Item]:
        found = entities(mask.parts)
        if "sub" not in found or not _may_be_elsewhere(mask):
            return []
        scans = self._subjects[found["sub"], found.get("ses")]
        scans = [s for s in scans if entities([s.name]).get("space") == found.get("space")]
        modality = next((word for word in core_words(mask) if word in MODALITIES), None)
        return [s for s in scans if modality is None or modality in words(stem(s.name))]

    def _only_session(self, mask: Item) -> list[Item]:
        found = self._placed[_place(mask)]
        sessions = {(self._guesses[s].subject, self._guesses[s].session) for s in found}
        return found if len(sessions) == 1 and not entities([mask.name]).get("sub") else []


def _place(item: Item) -> Place:
    """The folders of an item, so that imagesTr and labelsTr, or images and masks, are one place."""
    kept = []
    for part in item.folder:
        match = re.fullmatch(r"(?:images|labels)(tr|ts|val)", part.lower())
        if match:
            kept.append(f"*{match[1]}")
        elif not is_mask_folder(part) and part.lower() not in ("images", "image", "imgs", "scans"):
            kept.append(part)
    return tuple(kept)


def _all_words(mask: Item) -> frozenset[str]:
    folders = [part for part in mask.folder if is_mask_folder(part) or _in_derivatives(mask)]
    return frozenset(word for part in (*folders, stem(mask.name)) for word in words(part))


def _in_derivatives(mask: Item) -> bool:
    return "derivatives" in mask.folder


def _is_anatomy(mask: Item) -> bool:
    found = _all_words(mask)
    return bool(found & _ANATOMY) and not found & PATHOLOGIES


def _may_be_elsewhere(mask: Item) -> bool:
    found = _all_words(mask)
    return not _in_derivatives(mask) or "dseg" not in found or bool(found & PATHOLOGIES)


def _preference(mask: Item) -> tuple[bool, bool, int, str]:
    """Sorts the likeliest mask of the pathology first, then the one with the closest name."""
    found = _all_words(mask)
    return (
        not found & PATHOLOGIES,
        _in_derivatives(mask),
        -len(core_words(mask)),
        mask.target,
    )
