"""Opens the report in a real browser, from the disk, and asks for what a person would see."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest
from report_site import HOSTILE, Document, Site

from pytest_safegen import Release, ScanRef, Series

BROWSER = next(
    filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=4000",
    "--dump-dom",
]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed"),
]


def _look(page: Path, profile: Path, address: str = "") -> tuple[Document, str]:
    """The page as the browser has it after its scripts ran, and what its console said."""
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={profile}", page.as_uri() + address]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=True)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Document(done.stdout), "\n".join(console)


def _names(document: Document) -> list[str]:
    (table,) = document.all("table", "targets")
    assert table.text
    return [
        each.text
        for each in document.all("a", "path")
        if each["href"].split("/")[0] in {"scans", "series"}
    ]


def test_every_target_is_in_the_table_worst_first(site: Site, tmp_path: Path) -> None:
    document, _ = _look(site.folder / "index.html", tmp_path / "profile")
    assert _names(document) == ["sub-2_a.nii", HOSTILE, "sub-2", "sub-1_a.nii", "sub-2_b.nii"]


def test_no_page_breaks_its_own_security_policy(site: Site, tmp_path: Path) -> None:
    for page in [site.folder / "index.html", *(site.folder / "scans").glob("*.html")]:
        _, console = _look(page, tmp_path / "profile")
        assert console == ""


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("#verdict=PASS", ["sub-1_a.nii", "sub-2_b.nii"]),
        ("#check=longitudinal", ["sub-2"]),
        ("#check=anomaly&verdict=FAIL", ["sub-2_a.nii"]),
        ("#q=SUB-2+_b", ["sub-2_b.nii"]),
        ("#q=sub-2_&sort=check%3Aanomaly&order=up", ["sub-2_b.nii", "sub-2_a.nii"]),
    ],
)
def test_the_address_holds_the_filters(site: Site, tmp_path: Path, address, names) -> None:
    document, _ = _look(site.folder / "index.html", tmp_path / "profile", address)
    assert _names(document) == names
    assert document.one("shown").words == f"{len(names)} of 5 shown"


def test_a_long_table_is_drawn_in_parts(site: Site, tmp_path: Path) -> None:
    lost = [ScanRef(f"s{n}.nii", f"s{n}", None, None, tmp_path / "none.nii") for n in range(900)]
    series = tuple(Series(ref.subject, ref.subject, (ref,)) for ref in lost)
    release = Release(tmp_path, series)
    long = dataclasses.replace(site, release=release).rewritten(findings=())
    document, _ = _look(long.folder / "index.html", tmp_path / "profile")
    assert document.one("shown").words == "900 of 900 shown"
    assert 0 < len(_names(document)) < 900


def test_one_map_of_an_explained_finding_is_seen_at_a_time(explained: Site, tmp_path: Path) -> None:
    finding = next(each for each in explained.run.findings if each.layers)
    (page,) = (explained.folder / "scans").glob(
        f"{finding.target.split('.')[0].replace('_', '-')}*"
    )
    document, _ = _look(page, tmp_path / "profile")
    layers = document.all("section", "layer")
    assert ["hidden" in each.attributes for each in layers] == [False, True, True]
    assert "hidden" not in document.all("fieldset", "choice")[0].attributes
