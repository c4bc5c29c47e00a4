"""A folder of scans, with any of the layouts in use, becomes a release: the patients' series."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_safegen.config.settings import Settings
from pytest_safegen.core.errors import SafegenError, UsageProblem
from pytest_safegen.core.scan import LeftOut, Release, ScanRef, Series
from pytest_safegen.data.layouts import identify
from pytest_safegen.data.masks import mask_reasons, sort_candidates, with_masks
from pytest_safegen.data.metadata import (
    MANIFEST_NAME,
    Manifest,
    Sessions,
    read_manifest,
    with_sidecar,
)
from pytest_safegen.data.model import Candidate
from pytest_safegen.data.names import natural_key
from pytest_safegen.data.tree import Tree, search

_DERIVED = f"derived image; list it in {MANIFEST_NAME} to judge it"


def discover(root: Path, *, skip: Sequence[Path] = ()) -> Release:
    """Every scan below `root`, and for every other file the reason why it is none.

    The file `safegen.tsv` in `root` decides if it is there; otherwise names and folders do, as
    `layouts` describes. Folders in `skip` are not searched. No scan is opened, save the headers of
    DICOM. Raises UsageProblem if `root` is no folder, or where scans could be lost or confused.
    """
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise UsageProblem(f"The data folder {root} {what}. Give the folder that holds the scans.")
    tree = search(root, skip=skip)
    path = root / MANIFEST_NAME
    if path.exists() or path.is_symlink():
        return _from_manifest(root, tree, read_manifest(path))
    return _from_names(root, tree)


def _from_names(root: Path, tree: Tree) -> Release:
    found = sort_candidates(tree.candidates)
    scans = _completed(root, found.scans, found.masks)
    reasons = {
        **mask_reasons(found.masks, scans),
        **dict.fromkeys((one.target for one in found.derived), _DERIVED),
    }
    refs = [scan.scan_ref(root) for scan in scans]
    return Release(root, series_of(refs), None, _left_out(root, tree, reasons))


def _completed(
    root: Path, scans: Sequence[Candidate], masks: Sequence[Candidate]
) -> list[Candidate]:
    """The scans with all that names, tables of sessions and sidecars say of them."""
    sessions = Sessions(root)
    identified = with_masks(identify(scans), masks)
    return [with_sidecar(sessions.complete(scan), root) for scan in identified]


def _from_manifest(root: Path, tree: Tree, manifest: Manifest) -> Release:
    """Take the manifest's scans; only what it has no column for is guessed."""
    found = {one.target: one for one in tree.candidates}
    stated = {scan.target: scan for scan in manifest.scans}
    listed = [found.get(target) or Candidate(scan.parts) for target, scan in stated.items()]
    masks = [one for one in sort_candidates(tree.candidates).masks if one.target not in stated]
    guesses = _completed(root, listed, masks)
    scans = [manifest.overrule(guess, stated[guess.target]) for guess in guesses]
    owners = {scan.mask: scan.target for scan in scans if scan.mask}
    reasons = {
        one.target: f"the mask of {owners[one.target]}"
        if one.target in owners
        else f"not listed in {MANIFEST_NAME}"
        for one in tree.candidates
        if one.target not in stated
    }
    refs = [scan.scan_ref(root) for scan in scans]
    paths = frozenset((manifest.path, *(ref.path for ref in refs)))
    return Release(root, series_of(refs), manifest.path, _left_out(root, tree, reasons, paths))


def _left_out(
    root: Path, tree: Tree, reasons: Mapping[str, str], listed: frozenset[Path] = frozenset()
) -> tuple[LeftOut, ...]:
    candidates = [LeftOut(root / target, reason) for target, reason in reasons.items()]
    found = [one for one in (*tree.left_out, *candidates) if one.path not in listed]
    return tuple(sorted(found, key=lambda one: natural_key(str(one.path))))


def series_of(refs: Iterable[ScanRef]) -> tuple[Series, ...]:
    """One series a subject, in natural order; its scans by months, then session, then name.

    A series is named after the subject's folder if its scans lie in a folder of that name which
    holds no other subject's, otherwise after the subject. Raises UsageProblem if two would get the
    same name.
    """
    grouped: defaultdict[str, list[ScanRef]] = defaultdict(list)
    for ref in refs:
        grouped[ref.subject].append(ref)
    subjects_in = Counter(folder for group in grouped.values() for folder in _folders_of(group))
    found = [
        Series(_series_target(subject, group, subjects_in), subject, _by_time(group))
        for subject, group in grouped.items()
    ]
    _refuse_same_target(found)
    return tuple(sorted(found, key=lambda series: natural_key(series.target)))


def _by_time(refs: Sequence[ScanRef]) -> tuple[ScanRef, ...]:
    def key(ref: ScanRef) -> tuple[object, ...]:
        months = (ref.months is None, ref.months or 0.0)
        return (*months, natural_key(ref.session or ""), natural_key(ref.target))

    return tuple(sorted(refs, key=key))


def _folders_of(refs: Sequence[ScanRef]) -> frozenset[str]:
    """Every folder that holds one of the scans, however deep; a DICOM folder holds itself."""
    return frozenset(folder for ref in refs for folder in _folders_above(ref))


def _folders_above(ref: ScanRef) -> list[str]:
    parts = ref.target.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _series_target(subject: str, refs: Sequence[ScanRef], subjects_in: Counter[str]) -> str:
    """The subject's folder, or else the subject."""
    shared = frozenset.intersection(*(frozenset(_folders_above(ref)) for ref in refs))
    own = [folder for folder in shared if subjects_in[folder] == 1]
    named_after = [folder for folder in own if f"/{folder}".endswith(f"/{subject}")]
    return max(named_after, key=len, default=subject)


def _refuse_same_target(found: Sequence[Series]) -> None:
    by_target: dict[str, Series] = {}
    for series in found:
        other = by_target.setdefault(series.target, series)
        if other is not series:
            raise UsageProblem(
                f"The subjects {other.subject!r} and {series.subject!r} would both get the name "
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
                f"There is no scan in {release.root}: {seen} files were left out "
                f"(`safegen list {release.root}` says why)."
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
