"""Which files are masks, and whose, told by names alone, so that no mask is ever judged as a scan.

A file is a mask if its last word says so (`mask`, `seg`, `dseg`, ...), if it lies in a folder of
masks (`masks`, `labelsTr`, ...), or if its last word names a pathology (`lesion`, `nodule`, ...)
and a scan that is called alike lies beside it. All that lies in `derivatives` is no scan either.

A mask belongs to a scan that is called alike beside it (or in the folder of images that goes with
its folder of masks), to all scans of a session that has one mask only, or, within `derivatives`,
to the scans with the same `sub`, `ses` and `space`. A mask of the brain or of the anatomy is never
taken, and a `dseg` in derivatives only if it is named by a pathology.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_safegen.data.layouts import Guess
from pytest_safegen.data.names import MODALITIES, entities, stem, words
from pytest_safegen.data.tree import Item

_MASK_NAMES = (
    "mask masks seg segs dseg probseg segmentation segmentations aseg aparc label labels labelmap "
    "roi rois gt groundtruth brainmask parcellation parc annotation annotations synthseg"
)

_MASK_WORDS = frozenset(_MASK_NAMES.split())

_PATHOLOGIES = (
    "lesion lesions tumor tumors tumour tumours nodule nodules core wmh infarct stroke edema "
    "oedema metastasis metastases gtv cyst bleed hemorrhage haemorrhage pathology cancer necrosis"
)

PATHOLOGIES = frozenset(_PATHOLOGIES.split())
"""Words for what a mask of the pathology outlines."""

_MASK_FOLDER = re.compile(
    r"(.*[ _-])?(labels?|masks?|segs?|segmentations?|rois?|gt|ground[ _-]?truth|annotations?)"
    r"|labels(tr|ts|val)"
)


@dataclass(frozen=True, slots=True)
class SortedCandidates:
    """Items by what they are; `derived` is neither scan nor mask, but lies in derivatives."""

    scans: tuple[Item, ...]
    masks: tuple[Item, ...]
    derived: tuple[Item, ...]


def sort_candidates(items: Sequence[Item]) -> SortedCandidates:
    """Tell scans, masks and derived images apart."""
    sure = {item for item in items if _is_surely_mask(item)}
    derived = {item for item in items if "derivatives" in item.folder} - sure
    candidates = [item for item in items if item not in sure and item not in derived]
    masks = sure | _beside_a_scan(candidates)
    return SortedCandidates(
        scans=tuple(item for item in candidates if item not in masks),
        masks=tuple(item for item in items if item in masks),
        derived=tuple(item for item in items if item in derived),
    )


def core_words(item: Item) -> tuple[str, ...]:
    """The words of a mask's name without those that say it is one: what its scan is called."""
    name = re.sub(r"(^|_)(label|seg|mask|desc)-[^_]+", "", stem(item.name), flags=re.IGNORECASE)
    found = list(words(name))
    while found and (_is_mask_word(found[-1]) or found[-1] in PATHOLOGIES):
        found.pop()
    return tuple(found)


def is_mask_folder(folder: str) -> bool:
    """True for masks, labelsTr and the like."""
    return _MASK_FOLDER.fullmatch(folder.lower()) is not None


def is_numbered(mask: Item) -> bool:
    """True for mask_1 and seg2, which may be one of several parts of a mask."""
    name = words(stem(mask.name))
    return bool(name) and name[-1][-1].isdigit() and _rest_of_mask(mask) is not None


def _is_mask_word(word: str) -> bool:
    return word in _MASK_WORDS or word.endswith(("mask", "segmentation"))


def _is_surely_mask(item: Item) -> bool:
    if any(is_mask_folder(part) for part in item.folder):
        return True
    last_chunk = stem(item.name).lower().split("_")[-1]
    found = words(stem(item.name))
    return not item.is_dicom and (
        (bool(found) and _is_mask_word(found[-1]))
        or last_chunk.startswith(("label-", "mask-", "seg-"))
    )


def _beside_a_scan(items: Sequence[Item]) -> frozenset[Item]:
    """The items named by a pathology, or by a mask word and a number, next to their scan."""
    suspects = {item: rest for item in items if (rest := _rest_of_mask(item)) is not None}
    beside: defaultdict[tuple[str, ...], set[tuple[str, ...]]] = defaultdict(set)
    for item in items:
        if item not in suspects:
            beside[item.folder] |= names_of_scan(item)
    return frozenset(item for item, rest in suspects.items() if rest in beside[item.folder])


def names_of_scan(item: Item) -> set[tuple[str, ...]]:
    """What a mask of this scan may be called, in words: as the scan, or that without its modality.

    The last word also goes if it is a channel of nnU-Net, such as 0000.
    """
    full = words(stem(item.name))
    last = full[-1] if full else ""
    drops = last in MODALITIES or re.fullmatch(r"[0-9]{4}|scan|image|img|orig", last)
    return {full, full[:-1]} if drops else {full}


def _rest_of_mask(item: Item) -> tuple[str, ...] | None:
    found = list(words(stem(item.name)))
    if item.is_dicom or not found:
        return None
    if found[-1] in PATHOLOGIES:
        return tuple(found[:-1])
    numbered = found[-1].isdigit() or found[-1][-1].isdigit()
    while found and found[-1].isdigit():
        found.pop()
    is_mask = bool(found) and _is_mask_word(found[-1].rstrip("0123456789"))
    return tuple(found[:-1]) if numbered and is_mask else None


_ANATOMIES = (
    "brain brainmask aseg aparc aparcaseg parcellation parc probseg atlas gm wm csf tissue tissues "
    "body bodymask head headmask skull foreground lung lungs lungmask lobe lobes deface defacemask "
    "synthseg dlmuse ventricle ventricles hippocampus bet organs"
)

_ANATOMY = frozenset(_ANATOMIES.split())

Place = tuple[str, ...]


def pair(guesses: Mapping[Item, Guess], masks: Sequence[Item]) -> dict[Item, Item]:
    """The mask of each scan that has one; the one named by a pathology wins over others."""
    scans = _ScanIndex(guesses)
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


class _ScanIndex:
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
