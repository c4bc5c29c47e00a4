"""Scans in memory: read ahead and prepared on a thread, few at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from pytest_safegen.core.errors import NotJudged, ReadError, format_error
from pytest_safegen.core.scan import Fact, Scan, ScanRef
from pytest_safegen.core.targets import ScanTarget
from pytest_safegen.data.table import facts_of
from pytest_safegen.prepare.canonical import canonical
from pytest_safegen.prepare.template import Template, align
from pytest_safegen.readers import read_scan

SCANS_HELD = 6


class ScanLoader:
    """Reads and prepares scans, the upcoming ones in advance; holds at most `SCANS_HELD`.

    `template_of` gives the template to align a scan to, or None. With `keep_series` the scans of
    the present patient are held too, as read, so that a check of the series finds them.
    """

    def __init__(
        self, template_of: Callable[[ScanRef], Template | None], *, keep_series: bool = False
    ) -> None:
        self._template_of = template_of
        self._keep_series = keep_series
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="safegen-reader")
        self._held: OrderedDict[str, Future[ScanTarget]] = OrderedDict()
        self._upcoming: frozenset[str] = frozenset()
        self._patient = ""
        self._timepoints: dict[str, ScanTarget] = {}

    def close(self) -> None:
        """Stop reading ahead."""
        self._pool.shutdown(cancel_futures=True)

    def load(self, ref: ScanRef, upcoming: Sequence[ScanRef] = ()) -> ScanTarget:
        """The scan, prepared; `upcoming` scans are read meanwhile."""
        upcoming = upcoming[: SCANS_HELD - 1]
        self._upcoming = frozenset(other.target for other in upcoming)
        for wanted in (*upcoming, ref):
            if wanted.target in self._held:
                self._held.move_to_end(wanted.target)
        for wanted in (ref, *upcoming):
            if wanted.target not in self._held:
                self._held[wanted.target] = self._pool.submit(self._prepared, wanted)
        while len(self._held) > SCANS_HELD:
            self._held.popitem(last=False)[1].cancel()
        target = self._held[ref.target].result()
        if self._keep_series:
            self._keep_timepoint(target)
        return target

    def ready(self) -> list[ScanTarget]:
        """The upcoming scans that are prepared by now."""
        return [
            future.result()
            for name, future in self._held.items()
            if name in self._upcoming and future.done()
        ]

    def series(self, refs: Sequence[ScanRef]) -> list[ScanTarget]:
        """All scans of one patient, as read; those in memory are not read again."""
        wanted = {ref.target for ref in refs}
        self._patient = refs[0].subject
        self._timepoints = {name: one for name, one in self._timepoints.items() if name in wanted}
        for ref in refs:
            self._timepoints[ref.target] = _as_read(self._read_once(ref))
        return [self._timepoints[ref.target] for ref in refs]

    def facts(self, ref: ScanRef) -> Mapping[str, Fact]:
        """The scan's row in the table of scans; only its target if it cannot be read."""
        return self._read_once(ref).facts or {"target": ref.target}

    def changed(self, ref: ScanRef, change: Callable[[Scan], Scan]) -> ScanTarget:
        """The scan read anew and changed by `change`, prepared; it is not held.

        Raises what `change` raises, and ReadError for a scan that cannot be read.
        """
        scan = change(read_scan(ref))
        return self._aligned(ScanTarget(ref, scan, facts=facts_of(scan)))

    def _keep_timepoint(self, target: ScanTarget) -> None:
        """Hold a scan of the present patient as it was read; a series needs nothing prepared."""
        if target.ref.subject != self._patient:
            self._patient, self._timepoints = target.ref.subject, {}
        self._timepoints[target.ref.target] = _as_read(target)

    def _read_once(self, ref: ScanRef) -> ScanTarget:
        held = self._held.get(ref.target)
        kept = self._timepoints.get(ref.target)
        return kept or (held.result() if held else _read(ref))

    def _prepared(self, ref: ScanRef) -> ScanTarget:
        return self._aligned(self._timepoints.get(ref.target) or _read(ref))

    def _aligned(self, target: ScanTarget) -> ScanTarget:
        template = self._template_of(target.ref)
        if target.scan is None or template is None:
            return target
        try:
            own = canonical(target.scan, template.options)
            return replace(target, own=own, prepared=align(own, template))
        except NotJudged as problem:
            return replace(target, unprepared=str(problem), headline=problem.headline)
        except Exception as problem:  # noqa: BLE001  one scan must not stop the others
            return replace(
                target,
                unprepared=f"preparing the scan crashed ({format_error(problem)})",
                headline=f"Preparation crashed: {type(problem).__name__}",
            )


def _read(ref: ScanRef) -> ScanTarget:
    try:
        scan = read_scan(ref)
        return ScanTarget(ref, scan, facts=facts_of(scan))
    except ReadError as problem:
        return ScanTarget(ref, None, problem=str(problem), headline=problem.headline)
    except Exception as problem:  # noqa: BLE001  one scan must not stop the others
        text = f"{ref.target} cannot be read: the reader crashed ({format_error(problem)})."
        headline = f"Reader crashed: {type(problem).__name__}"
        return ScanTarget(ref, None, problem=text, headline=headline)


def _as_read(target: ScanTarget) -> ScanTarget:
    if target.scan is None:
        return target
    return replace(target, own=None, prepared=None, unprepared="", headline="")
