"""pages.py: reason phrases of RFC 9110 section 15, and pages that can do no harm."""

from __future__ import annotations

from html.parser import HTMLParser
from http import HTTPStatus

import pytest

from tuxpy.http import pages

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
    assert len(page) < 512
    assert read.tags == ["html", "meta", "meta", "title", "h1", "p"]
    assert f"{status} {pages.STATUS[status][0]}" in read.words


def test_15_4_2_a_redirect_has_a_short_note_with_a_link() -> None:
    assert outline(pages.page(301, b"/docs/?a=1&b=2")).links == ["/docs/?a=1&b=2"]


def test_a_location_cannot_become_mark_up() -> None:
    location = b"/docs/?\"'><script>alert(1)</script>&amp;"
    read = outline(pages.page(301, location))
    assert "script" not in read.tags
    assert read.links == [location.decode()]
