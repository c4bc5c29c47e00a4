"""A real browser without a network, and what its console said."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader"]
READY = "#viewer:not([hidden])"
MILLISECONDS = 30_000


@dataclass
class Tab:
    """One page of a report in the browser; `console` is all that it complained of."""

    page: Any
    console: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        """The words that a person sees there."""
        return " ".join(self.page.locator(selector).first.inner_text().split())

    def names(self) -> list[str]:
        """The targets of the table, in order."""
        found: list[str] = self.page.locator("#targets a.path").all_inner_texts()
        return found


@contextmanager
def opened(browser: Any, path: Path, address: str = "", **context: Any) -> Iterator[Tab]:
    """A page from the disk, with the network off."""
    given = browser.new_context(offline=True, **context)
    given.set_default_timeout(MILLISECONDS)
    page = given.new_page()
    tab = Tab(page)
    page.on("console", lambda said: tab.console.append(f"{said.type}: {said.text}"))
    page.on("pageerror", lambda problem: tab.console.append(str(problem)))
    page.goto(path.as_uri() + address)
    try:
        yield tab
    finally:
        given.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The system's Chromium, driven by Playwright."""
    if CHROMIUM is None:
        pytest.skip("no Chromium or Chrome is installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()
