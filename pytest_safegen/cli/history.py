"""The command `safegen history`: list, show, tag, prune, export, import, and the page of trends."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_safegen.core.errors import UsageProblem

if TYPE_CHECKING:
    from pytest_safegen.core.finding import Run
    from pytest_safegen.results.history import Entry, History

StoreOf = Callable[[argparse.Namespace], str]


def add_history(history: argparse.ArgumentParser, store_of: StoreOf) -> None:
    """Add the steps of `history`; `store_of` says which store the arguments mean."""
    history.add_argument("--store", help="URL of the store; default: that of the settings")
    history.add_argument("--html", type=Path, metavar="FILE", help="write the page of trends")
    history.set_defaults(run=_page, store_of=store_of)
    steps = history.add_subparsers(metavar="STEP")
    listing = steps.add_parser("list", help="a line a run")
    listing.add_argument("model", nargs="?", help="only NAME or NAME@VERSION")
    listing.set_defaults(run=_list)
    show = steps.add_parser("show", help="all that is known of a run")
    show.add_argument("name", help="latest, VERSION, NAME@VERSION, a tag, or a run's id")
    show.set_defaults(run=_show)
    tag = steps.add_parser("tag", help="give a run a name; it is never pruned then")
    tag.add_argument("name", help="the run, as in show")
    tag.add_argument("tag")
    tag.add_argument("--remove", action="store_true", help="take the name away")
    tag.set_defaults(run=_tag)
    prune = steps.add_parser("prune", help="forget old runs that have no tag")
    prune.add_argument("--keep", type=int, help="newest runs kept of each version")
    prune.add_argument("--before", metavar="DATE", help="only runs before that day, 2026-01-31")
    prune.add_argument("--dry-run", action="store_true", help="only say what would go")
    prune.set_defaults(run=_prune)
    export = steps.add_parser("export", help="write all runs, a line of JSON each")
    export.add_argument("file", type=Path)
    export.set_defaults(run=_export)
    taken = steps.add_parser("import", help="add exported runs, or the run of a report folder")
    taken.add_argument("source", type=Path, help="an exported file, or a report folder")
    taken.set_defaults(run=_import)


def _open(asked: argparse.Namespace, *, create: bool = False) -> History:
    from pytest_safegen.results.history import OFF, open_history

    store = asked.store_of(asked)
    if store == OFF:
        raise UsageProblem(f"The settings keep no history (store = {OFF!r}); name a --store.")
    return open_history(store, create=create)


def _page(asked: argparse.Namespace) -> None:
    if asked.html is None:
        raise UsageProblem("`safegen history` needs a step (such as list) or --html FILE.")
    from pytest_safegen.config.plugins import build_manager
    from pytest_safegen.config.settings import resolve

    history = _open(asked)
    loaded = [history.load(entry) for entry in history.entries() if entry.complete]
    if not loaded:
        raise UsageProblem(f"The history {history.name} has no complete run to draw.")
    settings = resolve(root=Path.cwd(), command_line={}, ini={})
    build_manager(settings).hook.safegen_write_trends(runs=loaded, file=asked.html.absolute())
    print(asked.html)


def _list(asked: argparse.Namespace) -> None:
    for entry in _open(asked).entries(asked.model):
        print("\t".join(_columns(entry)))


def _columns(entry: Entry) -> Iterator[str]:
    run = entry.run
    yield run.id[:8]
    yield run.created
    yield entry.name
    yield str(run.verdict) if entry.complete else f"{run.verdict} (incomplete)"
    yield f"{run.counts.get('scans', '?')} scans"
    yield _commit(run)
    yield ", ".join(entry.tags)


def _show(asked: argparse.Namespace) -> None:
    history = _open(asked)
    entry = history.find(asked.name)
    run = history.load(entry)
    facts = {
        "run": run.id,
        "model": entry.name,
        "created": run.created,
        "commit": _commit(run),
        "verdict": str(run.verdict),
        "complete": "yes" if entry.complete else "no",
        "mode": run.mode,
        "tags": ", ".join(entry.tags),
        "data": ", ".join(run.roots),
        "data digest": run.data_digest,
        "config digest": run.config_digest,
        **{f"{name} digest": digest for name, digest in run.profile_digests.items()},
        **dict(run.comparability),
        **dict(run.environment),
    }
    print("\n".join(f"{name}\t{value}" for name, value in facts.items()))
    print("\n".join(f"reason\t{reason}" for reason in run.reasons))
    print("\n".join(_checks(run)))


def _checks(run: Run) -> Iterator[str]:
    for check in dict.fromkeys(finding.check for finding in run.findings):
        counts = Counter(str(f.verdict) for f in run.findings if f.check == check)
        yield f"{check}\t{', '.join(f'{n} {verdict}' for verdict, n in sorted(counts.items()))}"


def _commit(run: Run) -> str:
    dirty = " (with changes)" if run.dirty else ""
    return f"{run.commit[:12]}{dirty}" if run.commit else "-"


def _tag(asked: argparse.Namespace) -> None:
    history = _open(asked)
    entry = history.find(asked.name)
    if asked.remove:
        history.untag(entry, asked.tag)
    else:
        history.tag(entry, asked.tag)
    print("\t".join(_columns(history.find(entry.run.id))))


def _prune(asked: argparse.Namespace) -> None:
    if asked.keep is None and asked.before is None:
        raise UsageProblem("`safegen history prune` needs --keep N, --before DATE, or both.")
    history = _open(asked)
    gone = _prunable(history.entries(), asked.keep, _day(asked.before))
    if not asked.dry_run:
        history.remove(gone)
    for entry in gone:
        print("\t".join(_columns(entry)))
    print(f"{len(gone)} runs {'would be' if asked.dry_run else 'were'} removed", file=sys.stderr)


def _prunable(entries: Sequence[Entry], keep: int | None, before: str | None) -> list[Entry]:
    seen: Counter[str] = Counter()
    gone = []
    for entry in reversed(entries):
        seen[entry.name] += 1
        many = keep is None or seen[entry.name] > keep
        old = before is None or entry.run.created < before
        if many and old and not entry.tags:
            gone.append(entry)
    return gone[::-1]


def _day(text: str | None) -> str | None:
    from datetime import date

    try:
        return date.fromisoformat(text).isoformat() if text else None
    except ValueError as problem:
        raise UsageProblem(f"{text!r} is no day; write it as 2026-01-31.") from problem


def _export(asked: argparse.Namespace) -> None:
    from pytest_safegen.core.atomic_io import write_text

    lines = list(_open(asked).export_lines())
    write_text(asked.file, "".join(f"{line}\n" for line in lines))
    print(f"{asked.file}: {len(lines)} runs")


def _import(asked: argparse.Namespace) -> None:
    from pytest_safegen.results.files import load_run

    if asked.source.is_dir():
        run = load_run(asked.source)  # before a store is made for nothing
        new = int(_open(asked, create=True).add(run))
        print(f"{new} runs added, {1 - new} were there already")
        return
    try:
        lines = asked.source.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise UsageProblem(f"{asked.source} cannot be read: {problem}.") from problem
    new, known = _open(asked, create=True).import_lines(lines, source=str(asked.source))
    print(f"{new} runs added, {known} were there already")
