"""The status page in a browser: alive, within its policy, and to be used without a mouse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.client import Client, get
from support.watched import Watched

from tuxpy.config.settings import Backend

from .chromium import Page
from .programs import MARKS

pytestmark = MARKS

SECONDS = "document.querySelectorAll('figure path.first')[4].getAttribute('d').split(/[ML]/).length"
LABEL = "document.querySelector('figure').getAttribute('aria-label')"


@pytest.fixture
def watched(root: Path, backend: Backend) -> Iterator[Watched]:
    (root / "a.txt").write_text("a")
    with Watched(root, backend) as one:
        yield one


def press(page: Page, key: str, code: int) -> None:
    for kind in ("rawKeyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)


def test_it_lives(watched: Watched, page: Page) -> None:
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)
    page.go(f"http://127.0.0.1:{watched.admin_address[1]}/status")
    with Client(watched.address) as client:
        for _ in range(20):
            client.ask(get("/a.txt"))
        page.until(f"{SECONDS} > 3")
        page.until("document.querySelector('#answers').innerText.includes('20')")
        page.until("document.querySelector('#connections tbody tr td:last-child').innerText === '1'")
    press(page, "Tab", 9)
    assert page.evaluate("document.activeElement.id") == "pause"
    press(page, "Tab", 9)
    assert page.evaluate("document.activeElement.tagName") == "FIGURE"
    press(page, "ArrowLeft", 37)
    assert page.evaluate(LABEL).startswith("Requests a second: all ") and "s ago" in page.evaluate(LABEL)
    press(page, "Escape", 27)
    assert not page.evaluate(LABEL).endswith("ago")
    watched.drain()
    page.until("document.querySelector('#state').innerText.startsWith('draining')")
    assert page.complaints() == []


def test_it_stops_when_told_to(watched: Watched, page: Page) -> None:
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)
    page.go(f"http://127.0.0.1:{watched.admin_address[1]}/status")
    page.until(f"{SECONDS} > 1")
    page.click("#pause")
    seen = page.evaluate(SECONDS)
    page.evaluate("new Promise((done) => setTimeout(done, 2500))")
    assert page.evaluate(SECONDS) - seen <= 1, "one may have been under way"
    page.click("#pause")
    page.until(f"{SECONDS} > {seen + 1}")
