"""Reviewing a finding in a real browser: the download is what the gate reads."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from browser import Tab, opened
from report_site import CONTENT, Site

from pytest_safegen.judging.waivers import Judgement, read_reviews, today

pytestmark = [pytest.mark.browser, pytest.mark.slow]
COMMENT = 'a "known" <phantom> \\ ünïcode \x7f'


def _fill(tab: Tab, judgement: str, *, owner: str = "Ada", expires: str = "") -> None:
    tab.page.get_by_label(judgement, exact=True).check()
    tab.page.get_by_label("Comment").fill(COMMENT)
    tab.page.get_by_label("Owner").fill(owner)
    if expires:
        tab.page.get_by_label("Expires").fill(expires)
    tab.page.get_by_role("button", name="Save").click()


def _page(site: Site) -> Path:
    (path,) = (site.folder / "scans").glob("sub-2-a-nii*")
    return path


def test_a_downloaded_waiver_is_read_by_the_gate(site: Site, browser: Any, tmp_path: Path) -> None:
    expires = today() + timedelta(20)
    with opened(browser, _page(site)) as tab:
        _fill(tab, "accepted risk", expires=expires.isoformat())
        assert "1 review saved" in tab.text("#tray")
        with tab.page.expect_download() as downloaded:
            tab.page.get_by_role("button", name="Download safegen-waivers.toml").click()
        downloaded.value.save_as(tmp_path / "waivers.toml")
        assert downloaded.value.suggested_filename == "safegen-waivers.toml"
    (review,) = read_reviews(tmp_path / "waivers.toml")
    assert (review.key, review.content) == (("anomaly", "sub-2_a.nii"), CONTENT)
    assert (review.judgement, review.owner) == (Judgement.ACCEPTED_RISK, "Ada")
    assert (review.comment, review.expires, review.score) == (COMMENT, expires, 2.5)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"judgement": "right", "owner": " "}, "Name the owner"),
        ({"judgement": "false alarm"}, "Give an expiry date"),
        ({"judgement": "false alarm", "expires": "2020-01-01"}, "must be in the future"),
    ],
)
def test_an_incomplete_review_is_not_saved(site: Site, browser: Any, fields, words) -> None:
    with opened(browser, _page(site)) as tab:
        fields = dict(fields)
        tab.page.evaluate("document.querySelector('form.review').noValidate = true")
        _fill(tab, fields.pop("judgement"), **fields)
        assert words in tab.text("form.review output")
        assert not tab.page.locator("#tray").is_visible()


def test_a_review_is_still_there_on_the_next_visit_and_can_be_discarded(
    site: Site, browser: Any
) -> None:
    with opened(browser, _page(site)) as tab:
        _fill(tab, "right")
        tab.page.reload()
        assert tab.page.get_by_label("Owner").input_value() == "Ada"
        tab.page.get_by_role("button", name="Discard", exact=True).click()
        assert not tab.page.locator("#tray").is_visible()


def test_what_passed_cannot_be_reviewed(site: Site) -> None:
    assert site.page_of("sub-1_a.nii").all("form", "review") == []


def test_a_review_can_be_made_with_the_keyboard_alone(site: Site, browser: Any) -> None:
    expires = today() + timedelta(20)
    with opened(browser, _page(site), locale="en-US") as tab:
        keys = tab.page.keyboard
        tab.page.locator("form.review input[type=radio]").first.focus()
        keys.press("ArrowRight")  # false alarm
        for text in ("A shunt.", "Ada", expires.strftime("%m%d%Y")):
            keys.press("Tab")
            keys.type(text)
        keys.press("Enter")
        assert "1 review saved" in tab.text("#tray")
