"""What lies in the data folder: every file and every DICOM folder, before anything is guessed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_safegen.core.errors import UsageProblem
from pytest_safegen.core.scan import LeftOut
from pytest_safegen.data.dicom_files import NOT_IMAGES, has_magic, modality_of
from pytest_safegen.data.names import is_scan_name, natural_key

_DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
_NEVER_SEARCHED = {".git": "git's own files", "__MACOSX": "resource files of macOS"}
_UNREAD_IMAGES = (
    ".img", ".hdr", ".mgz", ".mgh", ".mnc", ".par", ".rec", ".nii.bz2", ".nii.xz", ".nii.zst",
    ".npy", ".npz", ".nia", ".tif", ".tiff", ".vtk", ".h5", ".bmp", ".png", ".jpg", ".jpeg",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """Something that could be a scan: `parts` lead from the data root to a file or DICOM folder."""

    parts: tuple[str, ...]
    is_dicom: bool = False
    modality: str | None = None

    @property
    def target(self) -> str:
        """The path relative to the data root, "/" separated."""
        return "/".join(self.parts)

    @property
    def folder(self) -> tuple[str, ...]:
        """The folders that lead to it."""
        return self.parts[:-1]

    @property
    def name(self) -> str:
        """The file's name, or the DICOM folder's."""
        return self.parts[-1]


@dataclass(frozen=True, slots=True)
class Tree:
    """All items in natural order, all other files by why they are none."""

    items: tuple[Item, ...]
    left_out: tuple[LeftOut, ...]


def search(root: Path, *, skip: Sequence[Path] = ()) -> Tree:
    """Look at every folder below `root` once, links included, save those in `skip`.

    Raises UsageProblem where a folder cannot be listed, so that nothing is lost in silence.
    """
    search = _Search(root, frozenset(_identity(path) for path in skip if path.exists()))
    pending: list[tuple[str, ...]] = [()]
    links: list[tuple[str, ...]] = []
    while pending or links:
        # Links come last: a folder keeps its own place even if a link leads to it, too.
        folder = pending.pop() if pending else links.pop()
        plain, linked = search.visit(folder)
        pending += plain
        links += linked
    items = sorted(search.items, key=lambda item: natural_key(item.target))
    return Tree(tuple(items), tuple(sorted(search.left_out, key=lambda left: str(left.path))))


class _Search:
    """One walk over a data root; it gathers items and what is left out."""

    def __init__(self, root: Path, skip: frozenset[tuple[int, int]]) -> None:
        self.root = root
        self.skip = skip
        self.seen: set[tuple[int, int]] = set()
        self.items: list[Item] = []
        self.left_out: list[LeftOut] = []

    def visit(self, folder: tuple[str, ...]) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
        """Sort one folder's entries; the answer is its plain and its linked subfolders."""
        path = self.root.joinpath(*folder)
        entries = _entries(path)
        why_not = self._why_not(path, folder, {entry.name for entry in entries})
        if why_not:
            self._leave(path, why_not)
            return [], []
        folders = [entry for entry in entries if _is_folder(entry)]
        self._sort_files(folder, [entry.name for entry in entries if not _is_folder(entry)])
        plain = [(*folder, entry.name) for entry in folders if not entry.is_symlink()]
        return plain, [(*folder, entry.name) for entry in folders if entry.is_symlink()]

    def _why_not(self, path: Path, folder: tuple[str, ...], names: set[str]) -> str:
        identity = _identity(path)
        if folder and folder[-1] in _NEVER_SEARCHED:
            return _NEVER_SEARCHED[folder[-1]]
        if identity in self.skip or (folder and {"results.jsonl", "gate.json"} <= names):
            return "a report folder"
        if identity in self.seen:
            return "a link to a folder that is searched under another name"
        self.seen.add(identity)
        return ""

    def _sort_files(self, folder: tuple[str, ...], names: list[str]) -> None:
        slices = frozenset(_dicom_slices(self.root.joinpath(*folder), names))
        if slices:
            self._add_dicom(folder, sorted(slices))
        scans = [name for name in names if is_scan_name(name) and not name.startswith("._")]
        for name in scans:
            self.items.append(Item(_printable((*folder, name))))
        scan_stems = {name.split(".")[0] for name in scans}
        for name in set(names) - set(scans) - slices:
            self._leave(self.root.joinpath(*folder, name), _why_no_scan(name, scan_stems))

    def _add_dicom(self, folder: tuple[str, ...], slices: list[str]) -> None:
        path = self.root.joinpath(*folder)
        if not folder:
            raise UsageProblem(
                f"{path} holds DICOM files itself, such as {slices[0]!r}. "
                "Put each series into a folder of its own and give the folder above them."
            )
        modality = modality_of(path / slices[0])
        if modality in NOT_IMAGES:
            self._leave(path, f"DICOM files of the kind {modality}, which hold no scan")
        else:
            self.items.append(Item(_printable(folder), is_dicom=True, modality=modality))

    def _leave(self, path: Path, reason: str) -> None:
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


def _dicom_slices(path: Path, names: list[str]) -> list[str]:
    """The files of a folder that are DICOM; one with the magic vouches for all without an ending.

    The files are read until the first one, which is the first file of all in most folders.
    """
    named = [name for name in names if name.lower().endswith(_DICOM_SUFFIXES)]
    plain = [name for name in names if _has_no_ending(name) and name.upper() != "DICOMDIR"]
    if any(has_magic(path / name) for name in plain):
        named += plain
    return [name for name in named if not name.startswith("._")]


def _has_no_ending(name: str) -> bool:
    # Slices are often named by their UID, whose last number only looks like an ending.
    ending = Path(name).suffix
    return not ending or ending[1:].isdigit()


def _why_no_scan(name: str, scan_stems: set[str]) -> str:
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
