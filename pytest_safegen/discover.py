"""A folder of scans, with any of the layouts in use, becomes a release: the patients' series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_safegen.errors import UsageProblem
from pytest_safegen.layouts import guess_all
from pytest_safegen.manifest import NAME, Manifest, Row, read_manifest
from pytest_safegen.mask_pairs import pair, reasons
from pytest_safegen.masks import sort_items
from pytest_safegen.model import LeftOut, Release, ScanRef
from pytest_safegen.names import natural_key
from pytest_safegen.patients import Guess
from pytest_safegen.series import series_of
from pytest_safegen.sessions import Sessions
from pytest_safegen.sidecars import labels_beside
from pytest_safegen.tree import Item, Tree, search


def discover(root: Path, *, skip: Sequence[Path] = ()) -> Release:
    """Find every scan below `root`, and say of every other file why it is none.

    The file `safegen.tsv` in `root` decides if it is there; otherwise names and folders do, as
    `layouts` describes. Folders in `skip` are not searched. No scan is opened, save the first bytes
    of files that may be DICOM. Raises UsageProblem if `root` is no folder, or where scans could be
    lost or confused.
    """
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise UsageProblem(f"The data folder {root} {what}. Give the folder that holds the scans.")
    tree = search(root, skip=skip)
    path = root / NAME
    if path.exists() or path.is_symlink():
        return _by_manifest(root, tree, read_manifest(path))
    return _by_guess(root, tree)


def _by_guess(root: Path, tree: Tree) -> Release:
    found = sort_items(tree.items)
    guesses = guess_all(found.scans)
    pairs = pair(guesses, found.masks)
    sessions = Sessions(root)
    refs = [_guessed(root, item, guess, pairs, sessions) for item, guess in guesses.items()]
    derived = dict.fromkeys(found.derived, f"an image in derivatives; {NAME} can list it")
    left_out = _left_out(root, tree, reasons(found.masks, pairs) | derived, ())
    return Release(root, series_of(refs), None, left_out)


def _guessed(
    root: Path, item: Item, guess: Guess, pairs: Mapping[Item, Item], sessions: Sessions
) -> ScanRef:
    told = sessions.told_of(item, guess.session)
    path = root.joinpath(*item.parts)
    return ScanRef(
        target=item.target,
        subject=guess.subject,
        session=guess.session,
        modality=guess.modality,
        path=path,
        months=told.months,
        mask=root.joinpath(*pairs[item].parts) if item in pairs else None,
        labels={**guess.labels, **told.labels, **labels_beside(path)},
    )


def _by_manifest(root: Path, tree: Tree, manifest: Manifest) -> Release:
    """Take the manifest's rows; only what it has no column for is guessed."""
    known = {item.target: item for item in tree.items}
    rows = {known.get(row.path) or Item(tuple(row.path.split("/"))): row for row in manifest.rows}
    guesses = guess_all(list(rows))
    others = [item for item in tree.items if item not in rows]
    masks = [item for item in sort_items(tree.items).masks if item not in rows]
    pairs = pair(guesses, masks)
    sessions = Sessions(root)
    refs = [
        _listed(root, row, manifest.columns, _guessed(root, item, guesses[item], pairs, sessions))
        for item, row in rows.items()
    ]
    owners = {ref.mask: ref.target for ref in refs if ref.mask}
    why = {item: _why_not_listed(root.joinpath(*item.parts), owners) for item in others}
    listed = (manifest.path, *(ref.path for ref in refs))
    return Release(root, series_of(refs), manifest.path, _left_out(root, tree, why, listed))


def _listed(root: Path, row: Row, columns: Sequence[str], guess: ScanRef) -> ScanRef:
    cells = row.cells
    mask = root / row.mask if row.mask else None
    return ScanRef(
        target=row.path,
        subject=cells.get("subject", guess.subject),
        session=cells.get("session") if "session" in columns else guess.session,
        modality=cells.get("modality") if "modality" in columns else guess.modality,
        path=root / row.path,
        months=row.months if "months" in columns else guess.months,
        mask=mask if "mask" in columns else guess.mask,
        labels={**guess.labels, **row.labels},
    )


def _why_not_listed(path: Path, owners: Mapping[Path, str]) -> str:
    return f"the mask of {owners[path]}" if path in owners else f"not listed in {NAME}"


def _left_out(
    root: Path, tree: Tree, why: Mapping[Item, str], taken: Sequence[Path]
) -> tuple[LeftOut, ...]:
    items = [LeftOut(root.joinpath(*item.parts), reason) for item, reason in why.items()]
    elsewhere = frozenset(taken)
    found = [left for left in (*tree.left_out, *items) if left.path not in elsewhere]
    return tuple(sorted(found, key=lambda left: natural_key(str(left.path))))
