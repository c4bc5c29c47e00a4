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
from dataclasses import replace

from pytest_safegen.names import modality_in, stem
from pytest_safegen.patients import Crowd, Folder, Guess, apart_from
from pytest_safegen.tree import Item

_BRATS = re.compile(
    r"(?P<subject>BraTS-[A-Za-z]+-[0-9]+)-(?P<session>[0-9]{3})(?:-(?P<modality>\w+))?"
)
_BRATS_STUDIES = {"GLI": "glioma", "MEN": "meningioma", "MET": "brain metastasis"}
_NNUNET = re.compile(r"(?P<subject>.+)_(?P<modality>[0-9]{4})")
_ENTITY = re.compile(r"(?P<key>[A-Za-z]+)-(?P<label>[^_]+)")


def guess_all(items: Sequence[Item]) -> Mapping[Item, Guess]:
    """A guess for each item, made in view of all of them; equal subjects are one patient."""
    guesses = {item: guess for item in items if (guess := _by_name(item)) is not None}
    guesses |= _by_folders([item for item in items if item not in guesses])
    return _with_entities(_told_apart(guesses))


def entities(parts: Iterable[str]) -> dict[str, str]:
    """The BIDS entities of a path, {"sub": "01", "ses": "02"}; the first of a key counts."""
    found: dict[str, str] = {}
    for part in parts:
        for chunk in stem(part).split("_"):
            if match := _ENTITY.fullmatch(chunk):
                found.setdefault(match["key"], match["label"])
    return found


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
    crowd = Crowd(items)
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
