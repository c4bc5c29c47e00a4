"""Which files are masks, told by their names alone, so that none is ever judged as a scan.

A file is a mask if its last word says so (`mask`, `seg`, `dseg`, ...), if it lies in a folder of
masks (`masks`, `labelsTr`, ...), or if its last word names a pathology (`lesion`, `nodule`, ...)
and a scan that is called alike lies beside it. All that lies in `derivatives` is no scan either.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_safegen.names import MODALITIES, stem, words
from pytest_safegen.tree import Item

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
class Sorted:
    """Items by what they are; `derived` is neither scan nor mask, but lies in derivatives."""

    scans: tuple[Item, ...]
    masks: tuple[Item, ...]
    derived: tuple[Item, ...]


def sort_items(items: Sequence[Item]) -> Sorted:
    """Tell scans, masks and derived images apart."""
    sure = {item for item in items if _is_surely_mask(item)}
    derived = {item for item in items if "derivatives" in item.folder} - sure
    candidates = [item for item in items if item not in sure and item not in derived]
    masks = sure | _beside_a_scan(candidates)
    return Sorted(
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
