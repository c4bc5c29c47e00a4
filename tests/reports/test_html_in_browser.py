"""Opens the report in a real browser, from the disk, and asks for what a person would see."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from browser import READY, opened
from report_site import HOSTILE, Site

from pytest_safegen import Release, ScanRef, Series

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def _page_of(site: Site, target: str) -> Path:
    """The page whose headline is the target."""
    for path in site.pages():
        if site.open(str(path.relative_to(site.folder))).all("h1")[0].words == target:
            return path
    raise AssertionError(f"{target} has no page")


def _pages(site: Site) -> list[Path]:
    """One page of each kind."""
    return [
        site.folder / "index.html",
        site.folder / "lists" / "1.html",
        _page_of(site, "sub-2_a.nii"),
        _page_of(site, "sub-2"),
        _page_of(site, " ".join(HOSTILE.split())),
    ]


def test_every_target_is_in_the_table_worst_first(site: Site, browser: Any) -> None:
    with opened(browser, site.folder / "index.html") as tab:
        assert tab.names() == ["sub-2_a.nii", HOSTILE, "sub-2", "sub-2_b.nii", "sub-1_a.nii"]


def test_no_page_has_anything_to_complain_of(explained: Site, browser: Any) -> None:
    for path in explained.pages():
        with opened(browser, path) as tab:
            if tab.page.locator("#viewer").count():
                tab.page.wait_for_selector(READY)
            assert tab.console == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(explained: Site, browser: Any, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for path in _pages(explained):
        with opened(browser, path, color_scheme=scheme) as tab:
            if tab.page.locator("#viewer").count():
                tab.page.wait_for_selector(READY)
            found = axe.run(tab.page).response["violations"]
            serious = [
                (path.name, each["id"], each["nodes"][0]["html"])
                for each in found
                if each["impact"] in {"serious", "critical"}
            ]
            assert serious == []


@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_is_wider_than_the_screen(explained: Site, browser: Any, width: int) -> None:
    for path in _pages(explained):
        with opened(browser, path, viewport={"width": width, "height": 800}) as tab:
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= width, path.name


LONG = f"sub-{'x' * 120}/anat/sub-{'y' * 60}_T1w.nii.gz"
NAMES = [LONG, "患者-甲/Пациент №1_مريض.nii", 'it\'s <b>"bold"</b> & more.nii']


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("name", NAMES, ids=["long", "other scripts", "markup"])
def test_a_name_of_any_kind_fits_on_the_screen(
    site: Site, browser: Any, width: int, name: str
) -> None:
    renamed = site.with_name("sub-2_b.nii", name)
    for path in (renamed.folder / "index.html", renamed.path_of(name)):
        with opened(browser, path, viewport={"width": width, "height": 800}) as tab:
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
            assert name in tab.page.locator("body").inner_text()
            assert tab.console == []


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("#verdict=PASS", ["sub-2_b.nii", "sub-1_a.nii"]),
        ("#check=longitudinal", ["sub-2"]),
        ("#kind=series", ["sub-2"]),
        ("#check=anomaly&verdict=FAIL", ["sub-2_a.nii"]),
        ("#q=SUB-2+_b", ["sub-2_b.nii"]),
        ("#q=strange+place", ["sub-2_a.nii"]),
        ("#q=sub-2_&sort=check%3Aanomaly&order=up", ["sub-2_b.nii", "sub-2_a.nii"]),
    ],
)
def test_the_address_holds_the_filters(site: Site, browser: Any, address, names) -> None:
    with opened(browser, site.folder / "index.html", address) as tab:
        assert tab.names() == names
        assert tab.text("#shown") == f"{len(names)} of 5 shown"


def test_a_filter_is_written_into_the_address(site: Site, browser: Any) -> None:
    with opened(browser, site.folder / "index.html") as tab:
        tab.page.get_by_label("Search").fill("sub-2_b")
        tab.page.get_by_label("Verdict").select_option("PASS")
        assert tab.page.url.endswith("#q=sub-2_b&verdict=PASS")


def test_the_keyboard_alone_sorts_the_table(site: Site, browser: Any) -> None:
    with opened(browser, site.folder / "index.html") as tab:
        tab.page.get_by_role("button", name="anomaly").focus()
        tab.page.keyboard.press("Enter")
        assert tab.names()[0] == "sub-2_a.nii"
        tab.page.keyboard.press("Enter")
        assert tab.names()[0] == "sub-1_a.nii"
        assert tab.page.locator("th[aria-sort=ascending]").inner_text() == "anomaly"


def test_where_nothing_matches_the_table_says_so(site: Site, browser: Any) -> None:
    with opened(browser, site.folder / "index.html", "#q=nowhere") as tab:
        assert "Nothing matches" in tab.text("#targets tbody")


def test_a_long_table_is_drawn_in_parts(site: Site, browser: Any, tmp_path: Path) -> None:
    lost = [ScanRef(f"s{n}.nii", f"s{n}", None, None, tmp_path / "none.nii") for n in range(900)]
    series = tuple(Series(ref.subject, ref.subject, (ref,)) for ref in lost)
    release = Release(tmp_path, series)
    long = dataclasses.replace(site, release=release).rewritten(findings=())
    with opened(browser, long.folder / "index.html") as tab:
        assert tab.text("#shown") == "900 of 900 shown"
        assert 0 < len(tab.names()) < 900


def test_one_still_map_is_seen_at_a_time(explained: Site, browser: Any) -> None:
    with opened(browser, _page_of(explained, "sub-2_a.nii")) as tab:
        tab.page.wait_for_selector(READY)
        tab.page.get_by_text("Slices through the worst place").click()
        assert tab.page.locator("section.map:visible").count() == 1


def test_without_scripts_verdict_sentence_and_pictures_are_there(
    explained: Site, browser: Any
) -> None:
    page = _page_of(explained, "sub-2_a.nii")
    with opened(browser, page, java_script_enabled=False) as tab:
        assert "FAIL" in tab.text("header")
        assert "A <b>strange</b> place." in tab.text("article.finding")
        pictures = tab.page.locator("article.finding img.overlay:visible")
        assert pictures.count() == 9
        assert tab.page.locator(".viewer:visible, form.review:visible").count() == 0


def test_without_scripts_the_release_page_leads_to_plain_pages(site: Site, browser: Any) -> None:
    with opened(browser, site.folder / "index.html", java_script_enabled=False) as tab:
        tab.page.get_by_role("link", name="page 1").click()
        assert "A <b>strange</b> place." in tab.text("main")


def test_print_shows_the_still_pictures(explained: Site, browser: Any) -> None:
    with opened(browser, _page_of(explained, "sub-2_a.nii")) as tab:
        tab.page.wait_for_selector(READY)
        tab.page.emulate_media(media="print")
        assert tab.page.locator(".viewer:visible").count() == 0
        assert tab.page.locator("article.finding img.overlay").first.bounding_box()["height"] > 50
