"""Which files are masks, and whose, by names alone, so that no mask is ever judged as a scan.

A file is a mask if its last word says so (`mask`, `seg`, `dseg`, ...), if it lies in a folder of
masks (`masks`, `labelsTr`, ...), or if its last word names a pathology (`lesion`, `nodule`, ...)
and a scan of the same name lies beside it. Nothing in `derivatives` is a scan.

A mask belongs to the scan of the same name beside it (or in the folder of images that goes with
its folder of masks), to all scans of a session that has one mask only, or, within `derivatives`,
to the scans with the same `sub`, `ses` and `space`. A mask of the brain or of the anatomy is never
taken, and a `dseg` in derivatives only if it is named by a pathology.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_safegen.data.model import Candidate, Folder
from pytest_safegen.data.names import MODALITIES, entities, stem, words

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

_ANATOMIES = (
    "brain brainmask aseg aparc aparcaseg parcellation parc probseg atlas gm wm csf tissue tissues "
    "body bodymask head headmask skull foreground lung lungs lungmask lobe lobes deface defacemask "
    "synthseg dlmuse ventricle ventricles hippocampus bet organs"
)

_ANATOMY = frozenset(_ANATOMIES.split())


@dataclass(frozen=True, slots=True)
class SortedCandidates:
    """Candidates by what they are; `derived` is neither scan nor mask, but lies in derivatives."""

    scans: tuple[Candidate, ...]
    masks: tuple[Candidate, ...]
    derived: tuple[Candidate, ...]


def sort_candidates(candidates: Sequence[Candidate]) -> SortedCandidates:
    """Tell scans, masks and derived images apart."""
    certain = {one.target for one in candidates if _is_certainly_mask(one)}
    derived = {one.target for one in candidates if _in_derivatives(one)} - certain
    others = [one for one in candidates if one.target not in certain | derived]
    masks = certain | _masks_beside_scans(others)
    return SortedCandidates(
        scans=tuple(one for one in others if one.target not in masks),
        masks=tuple(one for one in candidates if one.target in masks),
        derived=tuple(one for one in candidates if one.target in derived),
    )


def with_masks(scans: Sequence[Candidate], masks: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The scans, each with its mask if it has one; a mask named by a pathology is preferred."""
    index = _ScanIndex(scans)
    chosen: dict[str, str] = {}
    for mask in sorted(masks, key=_preference):
        for scan in index.scans_of(mask):
            chosen.setdefault(scan.target, mask.target)
    return tuple(replace(scan, mask=chosen.get(scan.target)) for scan in scans)


def mask_reasons(masks: Sequence[Candidate], scans: Sequence[Candidate]) -> dict[str, str]:
    """Why each mask, by its target, is no scan: whose it is, or why it belongs to none."""
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for scan in scans:
        if scan.mask is not None:
            owners[scan.mask].append(scan.target)
    return {mask.target: _reason(mask, owners[mask.target]) for mask in masks}


def _reason(mask: Candidate, owners: Sequence[str]) -> str:
    if owners:
        return f"the mask of {', '.join(owners)}"
    if _is_anatomy(mask):
        return "a mask of the anatomy, not of the pathology"
    if _is_numbered(mask):
        return "a mask with a number, which may be one of many; join them into one mask"
    return "a mask without a scan, or whose scan has a better one"


def _is_mask_word(word: str) -> bool:
    return word in _MASK_WORDS or word.endswith(("mask", "segmentation"))


def _is_mask_folder(folder: str) -> bool:
    """True for masks, labelsTr and the like."""
    return _MASK_FOLDER.fullmatch(folder.lower()) is not None


def _is_certainly_mask(candidate: Candidate) -> bool:
    if any(_is_mask_folder(part) for part in candidate.folder):
        return True
    last_chunk = stem(candidate.name).lower().split("_")[-1]
    found = words(stem(candidate.name))
    return not candidate.is_dicom and (
        (bool(found) and _is_mask_word(found[-1]))
        or last_chunk.startswith(("label-", "mask-", "seg-"))
    )


def _masks_beside_scans(candidates: Sequence[Candidate]) -> frozenset[str]:
    """Targets named by a pathology, or by a mask word and a number, next to their scan."""
    suspects = {
        one.target: name for one in candidates if (name := _suspected_scan(one)) is not None
    }
    beside: defaultdict[Folder, set[tuple[str, ...]]] = defaultdict(set)
    for one in candidates:
        if one.target not in suspects:
            beside[one.folder] |= _names_of_scan(one)
    return frozenset(
        one.target for one in candidates if suspects.get(one.target) in beside[one.folder]
    )


def _names_of_scan(scan: Candidate) -> set[tuple[str, ...]]:
    """What a mask of this scan may be called, in words: as the scan, or that without its modality.

    The last word also goes if it is a channel of nnU-Net, such as 0000.
    """
    full = words(stem(scan.name))
    last = full[-1] if full else ""
    drops = last in MODALITIES or re.fullmatch(r"[0-9]{4}|scan|image|img|orig", last)
    return {full, full[:-1]} if drops else {full}


def _suspected_scan(candidate: Candidate) -> tuple[str, ...] | None:
    """The words of the scan whose mask this may be; None where the name suggests no mask."""
    found = list(words(stem(candidate.name)))
    if candidate.is_dicom or not found:
        return None
    if found[-1] in PATHOLOGIES:
        return tuple(found[:-1])
    has_number = found[-1].isdigit() or found[-1][-1].isdigit()
    while found and found[-1].isdigit():
        found.pop()
    is_mask = bool(found) and _is_mask_word(found[-1].rstrip("0123456789"))
    return tuple(found[:-1]) if has_number and is_mask else None


def _is_numbered(mask: Candidate) -> bool:
    """True for mask_1 and seg2, which may be one of several parts of a mask."""
    name = words(stem(mask.name))
    return bool(name) and name[-1][-1].isdigit() and _suspected_scan(mask) is not None


def _scan_words(mask: Candidate) -> tuple[str, ...]:
    """The words of a mask's name without those that mark it as one: the name of its scan."""
    name = re.sub(r"(^|_)(label|seg|mask|desc)-[^_]+", "", stem(mask.name), flags=re.IGNORECASE)
    found = list(words(name))
    while found and (_is_mask_word(found[-1]) or found[-1] in PATHOLOGIES):
        found.pop()
    return tuple(found)


class _ScanIndex:
    """Scans by where they lie, so that a mask finds its own quickly."""

    def __init__(self, scans: Sequence[Candidate]) -> None:
        self._named: defaultdict[tuple[Folder, tuple[str, ...]], list[Candidate]]
        self._named = defaultdict(list)
        self._placed: defaultdict[Folder, list[Candidate]] = defaultdict(list)
        self._subjects: defaultdict[tuple[str, str | None], list[Candidate]] = defaultdict(list)
        for scan in scans:
            place = _shared_place(scan)
            self._placed[place].append(scan)
            for name in _names_of_scan(scan):
                self._named[place, name].append(scan)
            found = entities(scan.parts)
            if "sub" in found:
                self._subjects[found["sub"], found.get("ses")].append(scan)

    def scans_of(self, mask: Candidate) -> list[Candidate]:
        """The scans that a mask belongs to; none for the anatomy or one part of many."""
        if _is_anatomy(mask) or _is_numbered(mask):
            return []
        beside = not _in_derivatives(mask)
        found = self._named[_shared_place(mask), _scan_words(mask)] if beside else []
        return found or self._by_entities(mask) or (self._only_session(mask) if beside else [])

    def _by_entities(self, mask: Candidate) -> list[Candidate]:
        found = entities(mask.parts)
        if "sub" not in found or not _may_be_elsewhere(mask):
            return []
        scans = self._subjects[found["sub"], found.get("ses")]
        scans = [s for s in scans if entities([s.name]).get("space") == found.get("space")]
        modality = next((word for word in _scan_words(mask) if word in MODALITIES), None)
        return [s for s in scans if modality is None or modality in words(stem(s.name))]

    def _only_session(self, mask: Candidate) -> list[Candidate]:
        found = self._placed[_shared_place(mask)]
        sessions = {(scan.subject, scan.session) for scan in found}
        return found if len(sessions) == 1 and not entities([mask.name]).get("sub") else []


def _shared_place(candidate: Candidate) -> Folder:
    """The folders above, so that imagesTr and labelsTr, or images and masks, are one place."""
    place = []
    for part in candidate.folder:
        match = re.fullmatch(r"(?:images|labels)(tr|ts|val)", part.lower())
        if match:
            place.append(f"*{match[1]}")
        elif not _is_mask_folder(part) and part.lower() not in ("images", "image", "imgs", "scans"):
            place.append(part)
    return tuple(place)


def _all_words(mask: Candidate) -> frozenset[str]:
    folders = [part for part in mask.folder if _is_mask_folder(part) or _in_derivatives(mask)]
    return frozenset(word for part in (*folders, stem(mask.name)) for word in words(part))


def _in_derivatives(candidate: Candidate) -> bool:
    return "derivatives" in candidate.folder


def _is_anatomy(mask: Candidate) -> bool:
    found = _all_words(mask)
    return bool(found & _ANATOMY) and not found & PATHOLOGIES


def _may_be_elsewhere(mask: Candidate) -> bool:
    found = _all_words(mask)
    return not _in_derivatives(mask) or "dseg" not in found or bool(found & PATHOLOGIES)


def _preference(mask: Candidate) -> tuple[bool, bool, int, str]:
    """Sorts the likeliest mask of the pathology first, then the one with the closest name."""
    found = _all_words(mask)
    return (
        not found & PATHOLOGIES,
        _in_derivatives(mask),
        -len(_scan_words(mask)),
        mask.target,
    )
