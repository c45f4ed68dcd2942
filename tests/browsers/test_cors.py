"""A page of one server asks another: what the browser lets it read is what --cors grants.

All of it is the CORS protocol of the Fetch standard, seen from its other end. Another port is another origin.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .chromium import Page
from .content import html, write
from .fixtures import Launch, Record
from .programs import MARKS
from .relay import Relay

pytestmark = MARKS

_READ = "fetch('{}', {}).then(answer => answer.text(), error => error.name)"


@pytest.fixture
def origin(page: Page, launch: Launch, tmp_path: Path) -> str:
    """The page is open, and this is its origin."""
    here = tmp_path / "page"
    write(here / "index.html", html(""))
    found = f"http://127.0.0.1:{launch(here)}"
    page.go(found)
    return found


@pytest.fixture
def data(root: Path) -> Path:
    write(root / "data.json", '{"answer": 42}\n')
    return root


def _read(page: Page, relay: Relay, target: str, options: str = "{}") -> str:
    return str(page.evaluate(_READ.format(f"http://127.0.0.1:{relay.port}{target}", options)))


@pytest.mark.parametrize("listed", ["the origin", "everybody"])
def test_fetch_what_is_granted_is_read(
    page: Page, launch: Launch, record: Record, origin: str, data: Path, listed: str
) -> None:
    grant = origin if listed == "the origin" else "*"
    relay = record(launch(data, "--cors", grant))
    assert _read(page, relay, "/data.json") == '{"answer": 42}\n'
    assert _read(page, relay, "/missing.json") != "TypeError"  # a 404 can be read as well
    assert [one.answer["access-control-allow-origin"] for one in relay.passed()] == [grant, grant]
    assert [one.request["origin"] for one in relay.passed()] == [origin, origin]
    assert [one.request.method for one in relay.passed()] == ["GET", "GET"]  # no preflight for these


def test_fetch_a_304_is_granted_too(page: Page, launch: Launch, record: Record, origin: str, data: Path) -> None:
    """The browser looks at the fields of the 304 itself (Fetch, HTTP-network-or-cache fetch)."""
    relay = record(launch(data, "--cors", origin))
    for _ in range(2):
        assert _read(page, relay, "/data.json", "{cache: 'no-cache'}") == '{"answer": 42}\n'
    assert [one.status for one in relay.passed("/data.json")] == [200, 304]


@pytest.mark.parametrize("words", [(), ("--cors", "https://app.example.org")])
def test_fetch_what_is_not_granted_is_not_read(
    page: Page, launch: Launch, record: Record, origin: str, data: Path, words: tuple[str, ...]
) -> None:
    """It was sent, and the browser keeps it from the page."""
    relay = record(launch(data, *words))
    assert _read(page, relay, "/data.json") == "TypeError"
    (one,) = relay.passed("/data.json")
    assert one.status == 200
    assert "access-control-allow-origin" not in one.answer
    assert any("blocked by CORS policy" in line for line in page.complaints())


def test_fetch_an_answer_for_one_origin_is_not_used_for_another(
    page: Page, launch: Launch, record: Record, origin: str, data: Path, tmp_path: Path
) -> None:
    """RFC 9110 12.5.5: Vary says Origin whoever asks, so what was kept for one page is not taken for another's."""
    write(data / "data.3f2a9c1b.json", '{"answer": 42}\n')  # kept for a year
    other = f"http://127.0.0.1:{launch(tmp_path / 'page')}"
    relay = record(launch(data, "--cors", origin, "--cors", other))
    for place in (origin, other, origin):
        page.go(place)
        assert _read(page, relay, "/data.3f2a9c1b.json") == '{"answer": 42}\n'
    granted = [one.answer["access-control-allow-origin"] for one in relay.passed("/data.3f2a9c1b.json")]
    assert granted[:2] == [origin, other]


_WITH_TOKEN = "{headers: {'X-Token': '1'}}"


def test_fetch_preflight_refused(page: Page, launch: Launch, record: Record, origin: str, data: Path) -> None:
    """The field is not listed, nor is the method: the request itself is never sent."""
    relay = record(launch(data, "--cors", origin))
    for options in (_WITH_TOKEN, "{method: 'PUT', body: 'x'}"):
        assert _read(page, relay, "/data.json", options) == "TypeError"
    assert [one.request.method for one in relay.passed("/data.json")] == ["OPTIONS"] * len(relay.passed())
    assert relay.passed()[0].status == 204
    assert relay.passed()[0].request["access-control-request-headers"] == "x-token"


def test_fetch_preflight_granted(page: Page, launch: Launch, record: Record, origin: str, data: Path) -> None:
    """It is kept for as long as it says, so the second request goes without."""
    allowed = ("--header", "Access-Control-Allow-Headers: x-token")
    relay = record(launch(data, "--cors", origin, *allowed))
    for _ in range(2):
        assert _read(page, relay, "/data.json", _WITH_TOKEN) == '{"answer": 42}\n'
    methods = [one.request.method for one in relay.passed("/data.json")]
    assert methods == ["OPTIONS", "GET", "GET"]
    assert [one.status for one in relay.passed("/data.json")] == [204, 200, 304]


def test_fetch_a_module_of_another_origin_needs_the_grant(
    page: Page, launch: Launch, record: Record, origin: str, data: Path
) -> None:
    """A module script is always fetched with CORS (HTML, fetch a single module script)."""
    write(data / "module.mjs", "export const answer = 42;\n")
    granted, silent = record(launch(data, "--cors", origin)), record(launch(data))
    script = "import('http://127.0.0.1:{}/module.mjs').then(module => module.answer, error => error.name)"
    assert page.evaluate(script.format(granted.port)) == 42
    assert page.evaluate(script.format(silent.port)) == "TypeError"
