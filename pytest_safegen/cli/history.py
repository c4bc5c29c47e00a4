"""The command `safegen history`: list, show, tag, prune, export and import runs; draw trends."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_safegen.cli.arguments import add_history_option, history_url, settings_with
from pytest_safegen.core.errors import UsageProblem

if TYPE_CHECKING:
    from pytest_safegen.config.hookspecs import Commands
    from pytest_safegen.core.finding import Run
    from pytest_safegen.results.history import Entry, History


def add(commands: Commands) -> None:
    """Add the command and its steps."""
    history = commands.add_parser("history", help="the runs so far, and their trends")
    add_history_option(history)
    history.add_argument("--html", type=Path, metavar="FILE", help="write a page of trends")
    history.set_defaults(run=_page)
    steps = history.add_subparsers(metavar="STEP")
    listing = steps.add_parser("list", help="print one line per run")
    listing.add_argument("generator", nargs="?", help="only NAME or NAME@VERSION")
    listing.set_defaults(run=_list)
    show = steps.add_parser("show", help="print everything about a run")
    show.add_argument("name", help="latest, VERSION, NAME@VERSION, a tag, or a run's id")
    show.set_defaults(run=_show)
    tag = steps.add_parser("tag", help="name a run; runs with a tag are never pruned")
    tag.add_argument("name", help="the run, as in show")
    tag.add_argument("tag")
    tag.add_argument("--remove", action="store_true", help="remove the tag")
    tag.set_defaults(run=_tag)
    prune = steps.add_parser("prune", help="delete old runs without a tag")
    prune.add_argument(
        "--keep", type=int, help="keep the newest N runs of each version", metavar="N"
    )
    prune.add_argument(
        "--before", metavar="DATE", help="only runs before that day, such as 2026-01-31"
    )
    prune.add_argument("--dry-run", action="store_true", help="only print what would be deleted")
    prune.set_defaults(run=_prune)
    export = steps.add_parser("export", help="write all runs as JSON, one per line")
    export.add_argument("file", type=Path)
    export.set_defaults(run=_export)
    taken = steps.add_parser("import", help="add exported runs, or the run of a report folder")
    taken.add_argument("source", type=Path, help="an exported file, or a report folder")
    taken.set_defaults(run=_import)


def _open(args: argparse.Namespace, *, create: bool = False) -> History:
    from pytest_safegen.results.history import OFF, open_history

    url = history_url(args)
    if url == OFF:
        raise UsageProblem("The history is switched off in the settings; give --history URL.")
    return open_history(url, create=create)


def _page(args: argparse.Namespace) -> None:
    if args.html is None:
        raise UsageProblem("`safegen history` needs a step (such as list) or --html FILE.")
    from pytest_safegen.config.plugins import build_manager

    history = _open(args)
    loaded = [history.load(entry) for entry in history.entries() if entry.complete]
    if not loaded:
        raise UsageProblem(f"The history {history.name} holds no complete run yet.")
    hook = build_manager(settings_with()).hook
    hook.safegen_write_trends(runs=loaded, file=args.html.absolute())
    print(args.html)


def _list(args: argparse.Namespace) -> None:
    for entry in _open(args).entries(args.generator):
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


def _show(args: argparse.Namespace) -> None:
    history = _open(args)
    entry = history.find(args.name)
    run = history.load(entry)
    facts = {
        "run": run.id,
        "generator": entry.name,
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


def _tag(args: argparse.Namespace) -> None:
    history = _open(args)
    entry = history.find(args.name)
    if args.remove:
        history.untag(entry, args.tag)
    else:
        history.tag(entry, args.tag)
    print("\t".join(_columns(history.find(entry.run.id))))


def _prune(args: argparse.Namespace) -> None:
    if args.keep is None and args.before is None:
        raise UsageProblem("`safegen history prune` needs --keep N, --before DATE, or both.")
    history = _open(args)
    gone = _prunable(history.entries(), args.keep, _day(args.before))
    if not args.dry_run:
        history.remove(gone)
    for entry in gone:
        print("\t".join(_columns(entry)))
    print(f"{len(gone)} runs {'would be' if args.dry_run else 'were'} deleted", file=sys.stderr)


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
    except ValueError as error:
        raise UsageProblem(
            f"Invalid date {text!r}: expected YYYY-MM-DD, such as 2026-01-31."
        ) from error


def _export(args: argparse.Namespace) -> None:
    from pytest_safegen.core.atomic_io import write_text

    lines = list(_open(args).export_lines())
    write_text(args.file, "".join(f"{line}\n" for line in lines))
    print(f"{args.file}: {len(lines)} runs")


def _import(args: argparse.Namespace) -> None:
    from pytest_safegen.results.files import load_run

    if args.source.is_dir():
        run = load_run(args.source)  # before a history is created for nothing
        new = int(_open(args, create=True).add(run))
        print(f"{new} runs added, {1 - new} were known already")
        return
    try:
        lines = args.source.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"{args.source} cannot be read: {error}.") from error
    new, known = _open(args, create=True).import_lines(lines, source=str(args.source))
    print(f"{new} runs added, {known} were known already")
