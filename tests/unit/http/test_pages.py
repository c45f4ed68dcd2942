"""pages.py: reason phrases of RFC 9110 section 15, and pages that can do no harm."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from http import HTTPStatus

import pytest

from tuxpy.atoms import Kind
from tuxpy.http import pages, style
from tuxpy.model import Refuse, Request
from tuxpy.site.respond import respond

# Renamed since the standard library's table was made (RFC 9110 15.5.14, 15.5.15; RFC 6585 has no other word).
NEW_PHRASES = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable"}
PROMISED = (301, 304, 400, 403, 404, 405, 408, 412, 414, 417, 431, 500, 501, 505)


class Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str | None] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.words += data


def outline(page: bytes) -> Outline:
    reader = Outline()
    reader.feed(page.decode())
    return reader


@pytest.mark.parametrize("status", pages.STATUS)
def test_15_the_reason_phrase_is_the_registered_one(status: int) -> None:
    assert pages.STATUS[status][0] == NEW_PHRASES.get(status, HTTPStatus(status).phrase)


@pytest.mark.parametrize("status", PROMISED)
def test_15_every_status_we_may_answer_has_words(status: int) -> None:
    assert status in pages.STATUS


@pytest.mark.parametrize("status", [status for status in pages.STATUS if status >= 400])
def test_15_5_an_error_is_explained_in_a_small_page(status: int) -> None:
    """RFC 9110 15.5, 15.6: the server should send an explanation of the error situation."""
    page = pages.page(status)
    read = outline(page)
    assert read.tags == ["html", "meta", "meta", "title", "style", "main", "h1", "span", "p"]
    assert read.words.count(f"{status} {pages.STATUS[status][0]}") == 2  # the title, the heading
    assert pages.STATUS[status][1] in read.words
    assert b'<html lang="en">' in page and b"color-scheme:light dark" in page


@pytest.mark.parametrize("status", [status for status in pages.STATUS if status >= 400])
def test_an_error_fits_one_packet(status: int) -> None:
    """Scanners ask for nothing else. 1,460 bytes are what TCP over IPv4 takes from an Ethernet frame."""
    answer = respond(Refuse(status=status), Request(b"GET", b"/", b"1.1"), 0.0)
    data = b"".join(cell.content for cell in answer.chain.cells if cell.kind is Kind.DATA)
    assert data.endswith(pages.page(status)) and len(data) <= 1460


def test_the_colours_have_contrast() -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for text; both schemes."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    schemes = [dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in style.BASE.split("@media")[:2]]
    assert len(schemes) == 2
    for scheme in schemes:
        for ground in ("paper", "card"):
            for ink in ("ink", "soft", "blue"):
                dark, light = sorted((luminance(scheme[ink]), luminance(scheme[ground])))
                assert (light + 0.05) / (dark + 0.05) >= 5


def test_a_style_means_the_same_when_it_is_squeezed() -> None:
    given = "a  b { color: red;\n margin: 0 auto; }\n@media (min-width: 3rem) { a:hover { top: .1em; } }"
    want = "a b{color:red;margin:0 auto}@media (min-width: 3rem){a:hover{top:.1em}}"
    assert style.squeezed(given) == style.squeezed(want) == want


def test_15_4_2_a_redirect_has_a_short_note_with_a_link() -> None:
    assert outline(pages.page(301, b"/docs/?a=1&b=2")).links == ["/docs/?a=1&b=2"]


def test_a_location_cannot_become_mark_up() -> None:
    location = b"/docs/?\"'><script>alert(1)</script>&amp;"
    read = outline(pages.page(301, location))
    assert "script" not in read.tags
    assert read.links == [location.decode()]
