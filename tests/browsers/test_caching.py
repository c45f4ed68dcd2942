"""What a browser keeps, asks again for, and does without: its cache and its service workers."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.processes import Running

from .chromium import Page
from .content import html, write
from .fixtures import Launch, Record
from .programs import MARKS

pytestmark = MARKS

_ASSET = "app.3f2a9c1b.js"


@pytest.fixture
def app(root: Path) -> Path:
    """A page that may change, with a script that never does: its name has the hash of its content."""
    write(root / "index.html", html(f'<script src="{_ASSET}"></script>'))
    write(root / _ASSET, "document.title = 'application';\n")
    return root


def test_rfc9110_15_4_5_a_reload_is_answered_by_304(page: Page, launch: Launch, root: Path) -> None:
    """The page sees 200 and the content it had; 304 came. RFC 9110 13.1.2: by the entity tag that was given."""
    write(root / "index.html", html("<p>first"))
    page.go(f"http://127.0.0.1:{launch(root)}/")
    first = page.exchange("/")
    since = page.mark
    page.reload()
    again = page.exchange("/", since)
    assert again.asked["if-none-match"] == first.fields["etag"]
    assert (again.status, again.wire_status) == (200, 304)
    assert page.text == "first"
    assert page.complaints() == []


def test_rfc9111_5_2_2_4_a_change_is_seen_at_the_next_visit(page: Page, launch: Launch, root: Path) -> None:
    """no-cache: kept, but never used without asking. Within a second the server knows the change (its own promise)."""
    write(root / "index.html", html("<p>first"))
    url = f"http://127.0.0.1:{launch(root)}/"
    page.go(url)
    assert page.exchange("/").fields["cache-control"] == "no-cache"
    new = root / "new.html"
    write(new, html("<p>second"))
    new.rename(root / "index.html")
    page.visit_until(url, "document.body.innerText === 'second'", within_s=10)


def test_rfc8246_what_is_immutable_is_not_asked_for_again(
    page: Page, launch: Launch, record: Record, app: Path
) -> None:
    """The second visit and the reload ask for the page alone; RFC 8246 2: not even a reload revalidates."""
    relay = record(launch(app))
    url = f"http://127.0.0.1:{relay.port}/"
    page.go(url)
    assert "immutable" in page.exchange(_ASSET).fields["cache-control"]
    for reload in (False, True):
        since = page.mark
        if reload:
            page.reload()
        else:
            page.go(url)
        assert page.exchange("/", since).wire_status == 304
        assert page.exchange(_ASSET, since).from_cache
        assert page.evaluate("document.title") == "application"
    assert [one.status for one in relay.passed("/")] == [200, 304, 304]
    assert [one.status for one in relay.passed(f"/{_ASSET}")] == [200]
    assert page.complaints() == []


def test_fetch_cache_modes(page: Page, launch: Launch, record: Record, app: Path) -> None:
    """Fetch, cache mode: what each sends for a thing that is kept and fresh."""
    relay = record(launch(app))
    page.go(f"http://127.0.0.1:{relay.port}/")
    sent = []
    for mode in ("default", "force-cache", "only-if-cached", "no-cache", "reload", "no-store"):
        known = len(relay.passed(f"/{_ASSET}"))
        options = f"{{cache: '{mode}', mode: 'same-origin'}}"
        assert "application" in page.evaluate(f"fetch('{_ASSET}', {options}).then(answer => answer.text())")
        sent.append([one.status for one in relay.passed(f"/{_ASSET}")[known:]])
    assert sent == [[], [], [], [304], [200], [200]]


_WORKER = """
const kept = ["./", "app.js"];
addEventListener("install", event => event.waitUntil(caches.open("v1").then(cache => cache.addAll(kept))));
addEventListener("activate", event => event.waitUntil(clients.claim()));
addEventListener("fetch", event => event.respondWith(
    caches.match(event.request).then(found => found || fetch(event.request))));
"""
_REGISTER = """
new Promise(done => {
    navigator.serviceWorker.addEventListener("controllerchange", () => done(navigator.serviceWorker.controller.state));
    navigator.serviceWorker.register("sw.js");
})
"""


def test_a_service_worker_serves_without_the_server(
    page: Page, launch: Launch, record: Record, root: Path, servers: list[Running]
) -> None:
    """Service Workers, Register: the script needs a JavaScript type; Update: it is asked for again past the cache."""
    write(root / "index.html", html('<p id="said"></p><script src="app.js"></script>'))
    write(root / "app.js", "said.textContent = 'offline or not';\n")
    write(root / "sw.js", _WORKER)
    relay = record(launch(root))
    page.go(f"http://127.0.0.1:{relay.port}/")
    assert page.evaluate(_REGISTER) in ("activating", "activated")
    script = relay.passed("/sw.js")[0]
    assert script.request["service-worker"] == "script"
    assert script.answer["content-type"].startswith("text/javascript")
    page.evaluate("navigator.serviceWorker.ready.then(registration => registration.update()).then(() => true)")
    assert [one.status for one in relay.passed("/sw.js")] == [200, 304]
    assert servers[0].stop() == 0
    since = page.mark
    page.reload()
    assert page.text == "offline or not"
    assert page.exchange("/", since).from_worker and page.exchange("/app.js", since).from_worker
    refused = "fetch('other.txt').then(() => 'came', error => error.name)"
    assert page.evaluate(refused) == "TypeError"
