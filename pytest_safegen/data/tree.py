"""All files and DICOM folders below the data root: what may be a scan, and what is left out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.core.scan import LeftOut
from pytest_safegen.data.dicom_files import NOT_IMAGES, modality_of, slices_among
from pytest_safegen.data.model import Candidate, Folder
from pytest_safegen.data.names import is_scan_name, natural_key

_NEVER_SEARCHED = {".git": "files of git", "__MACOSX": "resource files of macOS"}
_UNREAD_IMAGES = (
    ".img", ".hdr", ".mgz", ".mgh", ".mnc", ".par", ".rec", ".nii.bz2", ".nii.xz", ".nii.zst",
    ".npy", ".npz", ".nia", ".tif", ".tiff", ".vtk", ".h5", ".bmp", ".png", ".jpg", ".jpeg",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tree:
    """What may be a scan, in natural order, and every other file with the reason why not."""

    candidates: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...]


def search(root: Path, *, skip: Sequence[Path] = ()) -> Tree:
    """The tree below `root`: each folder is visited once, links included, save those in `skip`.

    Raises UsageProblem where a folder cannot be listed, so that no scan is missed silently.
    """
    search = _Search(root, frozenset(_identity(path) for path in skip if path.exists()))
    pending: list[Folder] = [()]
    links: list[Folder] = []
    while pending or links:
        # Links come last: a folder keeps its own place even if a link leads to it, too.
        folder = pending.pop() if pending else links.pop()
        plain, linked = search.visit(folder)
        pending += plain
        links += linked
    candidates = sorted(search.candidates, key=lambda one: natural_key(one.target))
    return Tree(tuple(candidates), tuple(sorted(search.left_out, key=lambda left: str(left.path))))


class _Search:
    """One walk over a data root; it gathers candidates and what is left out."""

    def __init__(self, root: Path, skip: frozenset[tuple[int, int]]) -> None:
        self.root = root
        self.skip = skip
        self.seen: set[tuple[int, int]] = set()
        self.candidates: list[Candidate] = []
        self.left_out: list[LeftOut] = []

    def visit(self, folder: Folder) -> tuple[list[Folder], list[Folder]]:
        """Sort the entries of a folder; returns its plain and its linked subfolders."""
        path = self.root.joinpath(*folder)
        entries = _entries(path)
        reason = self._exclusion(path, folder, {entry.name for entry in entries})
        if reason:
            self._leave_out(path, reason)
            return [], []
        folders = [entry for entry in entries if _is_folder(entry)]
        self._sort_files(folder, [entry.name for entry in entries if not _is_folder(entry)])
        plain = [(*folder, entry.name) for entry in folders if not entry.is_symlink()]
        return plain, [(*folder, entry.name) for entry in folders if entry.is_symlink()]

    def _exclusion(self, path: Path, folder: Folder, names: set[str]) -> str:
        identity = _identity(path)
        if folder and folder[-1] in _NEVER_SEARCHED:
            return _NEVER_SEARCHED[folder[-1]]
        if identity in self.skip or (folder and {"results.jsonl", "gate.json"} <= names):
            return "a report folder"
        if identity in self.seen:
            return "a link to a folder that is searched under another name"
        self.seen.add(identity)
        return ""

    def _sort_files(self, folder: Folder, names: list[str]) -> None:
        slices = frozenset(slices_among(names, self.root.joinpath(*folder)))
        if slices:
            self._add_dicom(folder, sorted(slices))
        scans = [name for name in names if is_scan_name(name) and not name.startswith("._")]
        for name in scans:
            self.candidates.append(Candidate(_printable((*folder, name))))
        scan_stems = {name.split(".")[0] for name in scans}
        for name in set(names) - set(scans) - slices:
            self._leave_out(self.root.joinpath(*folder, name), _reason_against(name, scan_stems))

    def _add_dicom(self, folder: Folder, slices: list[str]) -> None:
        path = self.root.joinpath(*folder)
        if not folder:
            raise UsageProblem(
                f"{path} holds DICOM files itself, such as {slices[0]!r}. "
                "Put each series into a folder of its own and give the folder above them."
            )
        modalities = {name: modality_of(path / name) for name in slices}
        images = [name for name in slices if modalities[name] not in NOT_IMAGES]
        if not images:
            kinds = ", ".join(sorted({kind for kind in modalities.values() if kind}))
            self._leave_out(path, f"a DICOM folder without a scan ({kinds})")
            return
        for name in set(slices) - set(images):
            self._leave_out(path / name, f"a DICOM object without a scan ({modalities[name]})")
        modality = next((modalities[name] for name in images if modalities[name]), None)
        self.candidates.append(Candidate(_printable(folder), is_dicom=True, modality=modality))

    def _leave_out(self, path: Path, reason: str) -> None:
        self.left_out.append(LeftOut(path, reason))


def _entries(path: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as problem:
        raise UsageProblem(
            f"The folder {path} cannot be listed ({problem.strerror}), so scans could be missed. "
            "Make it readable or move it out of the data folder."
        ) from problem


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _reason_against(name: str, scan_stems: set[str]) -> str:
    if name.startswith("._"):
        return "an AppleDouble file of macOS"
    if name.split(".")[0] in scan_stems:
        return "a sidecar of a scan"
    if name.lower().endswith(_UNREAD_IMAGES):
        return "an image format that is not read; convert it to .nii.gz if it is a scan"
    return "not an image format that is read"


def _printable(parts: tuple[str, ...]) -> tuple[str, ...]:
    try:
        "/".join(parts).encode()
    except UnicodeEncodeError as problem:
        raise UsageProblem(
            f"The name {'/'.join(parts)!r} is not valid UTF-8. Rename it to judge it."
        ) from problem
    return parts
