"""Pages as a person goes through them: listings, clean addresses, applications, missing pages, unusual names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .chromium import Page
from .content import MODIFIED_S, html, write
from .fixtures import Launch
from .programs import MARKS

pytestmark = MARKS

_NAMES = "[...document.querySelectorAll('tbody a')].map(link => link.textContent)"
_SORTED = "(document.querySelector('[aria-sort]') || {ariaSort: null}).ariaSort"


# Listings.


@pytest.fixture
def shelf(root: Path) -> Path:
    """Two directories and three files that differ in every respect."""
    write(root / "books/novel.txt", "a novel\n")
    write(root / "letters/one.txt", "a letter\n")
    write(root / "file10.txt", "x" * 100, MODIFIED_S)
    write(root / "file2.txt", "x" * 5000, MODIFIED_S + 86400)
    write(root / "Ärger.txt", "x" * 20, MODIFIED_S + 2 * 86400)
    for name, days in (("books", 5), ("letters", 4)):
        os.utime(root / name, (MODIFIED_S + days * 86400,) * 2)
    return root


def test_listing_is_sorted_by_clicks(page: Page, launch: Launch, shelf: Path) -> None:
    page.go(f"http://127.0.0.1:{launch(shelf, '--listing')}/")
    by_name = ["books/", "letters/", "Ärger.txt", "file2.txt", "file10.txt"]
    assert page.evaluate(_NAMES) == by_name
    steps = [
        ("Size", "descending", ["books/", "letters/", "file2.txt", "file10.txt", "Ärger.txt"]),
        ("Size", "ascending", ["books/", "letters/", "Ärger.txt", "file10.txt", "file2.txt"]),
        ("Modified", "descending", ["books/", "letters/", "Ärger.txt", "file2.txt", "file10.txt"]),
        ("Modified", "ascending", ["letters/", "books/", "file10.txt", "file2.txt", "Ärger.txt"]),
        ("Name", "ascending", by_name),
        ("Name", "descending", ["letters/", "books/", "file10.txt", "file2.txt", "Ärger.txt"]),
    ]
    for column, order, wanted in steps:
        number = ("Name", "Size", "Modified").index(column) + 1
        page.follow(f"thead th:nth-child({number}) a")
        assert page.evaluate(_NAMES) == wanted, (column, order)
        assert page.evaluate(_SORTED) == order
    assert page.complaints() == []


def test_listing_leads_down_and_up_again(page: Page, launch: Launch, shelf: Path) -> None:
    url = f"http://127.0.0.1:{launch(shelf, '--listing')}/"
    page.go(url)
    page.follow("tbody a[href$='books/']")
    assert page.url == f"{url}books/"
    assert page.evaluate(_NAMES) == ["novel.txt"]
    page.follow("tbody a")
    assert page.text.strip() == "a novel"
    page.go(f"{url}books")  # RFC 9110 15.4: led to the slash, from where the links are right
    assert page.url == f"{url}books/"
    page.follow("nav a")
    assert page.url == url
    page.follow("footer a")
    assert page.exchange("?format=json").media_type == "application/json"
    assert page.complaints() == []


def test_listing_asks_nobody_else(page: Page, launch: Launch, shelf: Path) -> None:
    """Content Security Policy 3: the page names its one style sheet by hash; it loads nothing, not even from here."""
    url = f"http://127.0.0.1:{launch(shelf, '--listing')}/"
    page.go(url)
    assert page.evaluate("getComputedStyle(document.querySelector('table')).borderCollapse") == "collapse"
    assert [one.url for one in page.exchanges()] == [url]
    assert page.evaluate("document.scripts.length") == 0
    probe = "new Promise(done => { const i = new Image(); i.onload = () => done(1); i.onerror = () => done(0);"
    assert page.complaints() == []
    assert page.evaluate(probe + " i.src = '/file2.txt'; })") == 0
    assert any("Content Security Policy" in line for line in page.complaints()), "the policy is not in force"


def test_listing_is_light_or_dark_as_the_reader_wishes(page: Page, launch: Launch, shelf: Path) -> None:
    """Media Queries 5, prefers-color-scheme; WCAG 2.2, 1.4.3: text has a contrast of 4.5 at least in both."""
    page.go(f"http://127.0.0.1:{launch(shelf, '--listing')}/")
    shades = {}
    for scheme in ("light", "dark"):
        page.emulate(prefers_color_scheme=scheme)
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        shades[scheme] = _luminance(paper)
        for selector in ("h1", "tbody a", "td", "caption", "thead a", "footer a"):
            ink = page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).color")
            assert _contrast(paper, ink) >= 4.5, f"{selector} in {scheme}: {ink} on {paper}"
    assert shades["light"] > 0.8 and shades["dark"] < 0.05
    assert page.complaints() == []


def _luminance(color: str) -> float:
    """Relative luminance of WCAG 2.2; color as in rgb(1, 2, 3)."""
    parts = [int(part) / 255 for part in color.removeprefix("rgb(").removesuffix(")").split(", ")]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_listing_fits_a_small_screen(page: Page, launch: Launch, shelf: Path) -> None:
    """WCAG 2.2, 1.4.10: at 320 CSS pixels nothing has to be scrolled sideways, long names included."""
    write(shelf / ("a-name-without-any-place-to-break-" * 5 + ".txt"), "long\n")
    page.call("Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=1, mobile=True)
    page.go(f"http://127.0.0.1:{launch(shelf, '--listing')}/")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


UNUSUAL = (
    *("two words.txt", "größe & gewicht.txt", "100%.txt", "%41.txt", "%2F.txt", "%.txt", 'said "so".txt', "it's.txt"),
    *("a+b.txt", "what?.txt", "what?a=b&c.txt", "#1.txt", "semi;colon.txt", "a:b.txt", "<b>bold.txt", "&amp;.txt"),
    *("back\\slash.txt", "日本語.txt", "smile 😀.txt", "[x].txt", "{y}|^`.txt", "new\nline.txt", " lead.txt", "--.txt"),
    *("tab\there.txt", "e\u0301.txt", "é.txt", "\u202eright-to-left.txt", "javascript:alert(1).txt", "dir ?#%/a b.txt"),
    os.fsdecode(b"caf\xe9.txt"),
)


def test_unusual_names_are_reached_by_their_listing(page: Page, launch: Launch, root: Path) -> None:
    """RFC 3986 2.1, 3.3 and the URL standard's path percent-encode set: what is clicked is what was meant."""
    for name in UNUSUAL:
        write(root / name, f"this is {name!a}\n")
    here = f"http://127.0.0.1:{launch(root, '--listing')}/"
    page.go(here)
    files = page.evaluate("document.querySelectorAll('.files a').length")
    reached = set()
    for number in range(1, files + 1):
        page.go(here)
        page.follow(f".files tr:nth-child({number}) a")
        reached.add(page.text.strip())
    page.go(here)
    page.follow(".folders a")
    page.follow(".files a")
    reached.add(page.text.strip())
    assert reached == {f"this is {name!a}" for name in UNUSUAL}
    assert page.complaints() == []


# Sites.


def test_spa_a_deep_link_shows_the_application(page: Page, launch: Launch, root: Path) -> None:
    """The application is served where a page is missing, and reads the address itself; a missing script is missing."""
    scripts = '<p id="place"></p><script src="/app.js"></script><script src="/missing.js"></script>'
    write(root / "index.html", html(scripts))
    write(root / "app.js", "place.textContent = location.pathname + location.search + location.hash;\n")
    write(root / "about.html", html("<p>a page of its own"))
    url = f"http://127.0.0.1:{launch(root, '--spa')}"
    page.go(f"{url}/users/7?tab=2#top")
    assert page.text == "/users/7?tab=2#top"
    assert page.exchange("?tab=2").status == 200
    assert page.exchange("/missing.js").status == 404
    page.evaluate("history.pushState({}, '', '/deep/er')")
    page.reload()
    assert page.text == "/deep/er"
    page.go(f"{url}/about.html")
    assert page.text == "a page of its own"


def test_clean_urls_lead_to_their_pages(page: Page, launch: Launch, root: Path) -> None:
    """Relative links of a page work under its clean address, and one page keeps one form of it."""
    write(root / "index.html", html('<a href="docs/about">about</a>'))
    write(root / "docs/about.html", html('<link rel="stylesheet" href="a.css"><a href="more">more</a>'))
    write(root / "docs/more.html", html("<p>more"))
    write(root / "docs/a.css", "a { color: rgb(1, 2, 3) }\n")
    url = f"http://127.0.0.1:{launch(root, '--clean-urls')}"
    page.go(f"{url}/")
    page.follow("a")
    assert page.url == f"{url}/docs/about"
    assert page.exchange("/docs/about").media_type == "text/html"
    assert page.evaluate("getComputedStyle(document.querySelector('a')).color") == "rgb(1, 2, 3)"
    page.follow("a")
    assert (page.url, page.text) == (f"{url}/docs/more", "more")
    assert page.complaints() == []


def test_a_missing_page_shows_the_nearest_404(page: Page, launch: Launch, root: Path) -> None:
    """RFC 9110 15.5.5: with content that explains; the status stays 404, so nobody takes it for the page."""
    write(root / "index.html", html("<p>home"))
    write(root / "404.html", html("<p>nothing here"))
    write(root / "docs/404.html", html("<p>no such chapter"))
    url = f"http://127.0.0.1:{launch(root)}"
    wanted = {"/nothing": "nothing here", "/docs/a/b/c": "no such chapter", "/docs/x": "no such chapter"}
    for target, words in wanted.items():
        page.go(url + target)
        assert page.text == words
        assert page.exchange(target).status == 404


def test_a_missing_page_has_one_of_ours(page: Page, launch: Launch, root: Path) -> None:
    """Without a 404.html the server's own small page is readable, and in no need of anything."""
    write(root / "index.html", html("<p>home"))
    page.go(f"http://127.0.0.1:{launch(root)}/nothing")
    assert page.text.startswith("404\nNot Found")
    assert page.exchange("/nothing").media_type == "text/html"
