"""A folder of scans, with any of the layouts in use, becomes a release: the patients' series."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_safegen.config.settings import Settings
from pytest_safegen.core.errors import SafegenError, UsageProblem
from pytest_safegen.core.scan import LeftOut, Release, ScanRef, Series
from pytest_safegen.data.layouts import Guess, guess_all
from pytest_safegen.data.masks import pair, reasons, sort_candidates
from pytest_safegen.data.metadata import (
    MANIFEST_NAME,
    Manifest,
    Row,
    Sessions,
    labels_beside,
    read_manifest,
)
from pytest_safegen.data.names import natural_key
from pytest_safegen.data.tree import Item, Tree, search


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
    path = root / MANIFEST_NAME
    if path.exists() or path.is_symlink():
        return _by_manifest(root, tree, read_manifest(path))
    return _by_guess(root, tree)


def _by_guess(root: Path, tree: Tree) -> Release:
    found = sort_candidates(tree.items)
    guesses = guess_all(found.scans)
    pairs = pair(guesses, found.masks)
    sessions = Sessions(root)
    refs = [_guessed(root, item, guess, pairs, sessions) for item, guess in guesses.items()]
    derived = dict.fromkeys(found.derived, f"an image in derivatives; {MANIFEST_NAME} can list it")
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
    masks = [item for item in sort_candidates(tree.items).masks if item not in rows]
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
    return f"the mask of {owners[path]}" if path in owners else f"not listed in {MANIFEST_NAME}"


def _left_out(
    root: Path, tree: Tree, why: Mapping[Item, str], taken: Sequence[Path]
) -> tuple[LeftOut, ...]:
    items = [LeftOut(root.joinpath(*item.parts), reason) for item, reason in why.items()]
    elsewhere = frozenset(taken)
    found = [left for left in (*tree.left_out, *items) if left.path not in elsewhere]
    return tuple(sorted(found, key=lambda left: natural_key(str(left.path))))


def series_of(refs: Iterable[ScanRef]) -> tuple[Series, ...]:
    """One series a subject, in natural order; its scans by months, then session, then name.

    A series is called by the subject's folder if its scans lie in a folder of that name which holds
    nobody else's, otherwise by the subject. Raises UsageProblem if two would be called the same.
    """
    grouped: defaultdict[str, list[ScanRef]] = defaultdict(list)
    for ref in refs:
        grouped[ref.subject].append(ref)
    crowd = Counter(folder for group in grouped.values() for folder in _folders_of(group))
    found = [
        Series(_series_target(subject, group, crowd), subject, tuple(sorted(group, key=_in_time)))
        for subject, group in grouped.items()
    ]
    _refuse_same_target(found)
    return tuple(sorted(found, key=lambda series: natural_key(series.target)))


def _in_time(ref: ScanRef) -> tuple[object, ...]:
    months = (ref.months is None, ref.months or 0.0)
    return (*months, natural_key(ref.session or ""), natural_key(ref.target))


def _folders_of(refs: Sequence[ScanRef]) -> frozenset[str]:
    """Every folder that holds one of the scans, however deep; a DICOM folder holds itself."""
    return frozenset(folder for ref in refs for folder in _folders_above(ref))


def _folders_above(ref: ScanRef) -> list[str]:
    parts = ref.target.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _series_target(subject: str, refs: Sequence[ScanRef], crowd: Counter[str]) -> str:
    """The subject's folder, or else the subject."""
    shared = frozenset.intersection(*(frozenset(_folders_above(ref)) for ref in refs))
    own = [folder for folder in shared if crowd[folder] == 1]
    called = [folder for folder in own if f"/{folder}".endswith(f"/{subject}")]
    return max(called, key=len, default=subject)


def _refuse_same_target(found: Sequence[Series]) -> None:
    by_target: dict[str, Series] = {}
    for series in found:
        other = by_target.setdefault(series.target, series)
        if other is not series:
            raise UsageProblem(
                f"The subjects {other.subject!r} and {series.subject!r} would both be called "
                f"{series.target!r}. Rename one of them."
            )


def discover_all(settings: Settings) -> tuple[Release, ...]:
    """The releases in all data folders of the settings; with several, each target names its folder.

    Raises:
        SafegenError: a folder without a scan, inside another one, or with the name of another one.
    """
    roots = list(_distinct(settings.data))
    releases = tuple(discover(root, skip=[settings.report]) for root in roots)
    for release in releases:
        if not release.refs:
            seen = len(release.left_out)
            raise SafegenError(
                f"There is no scan in {release.root} ({seen} files were seen and left out; "
                f"`safegen list {release.root}` says why)."
            )
    return releases if len(releases) == 1 else tuple(map(named_by_root, releases))


def named_by_root(release: Release) -> Release:
    """Put the folder's name before every target, so that several folders do not mix."""
    prefix = f"{release.root.name}/"
    series = tuple(
        replace(
            one,
            target=prefix + one.target,
            refs=tuple(replace(ref, target=prefix + ref.target) for ref in one.refs),
        )
        for one in release.series
    )
    return replace(release, series=series)


def _distinct(roots: Sequence[Path]) -> Iterator[Path]:
    for place, root in enumerate(roots):
        others = [other for n, other in enumerate(roots) if n != place]
        if any(root.is_relative_to(other) and root != other for other in others):
            raise SafegenError(f"The data folder {root} lies inside another one; name only one.")
        if any(root.name == other.name and root != other for other in roots):
            raise SafegenError(f"Two data folders are called {root.name}; rename one of them.")
        if root not in roots[:place]:
            yield root
