"""Listings: what is shown, that links lead where they say, and that no name can do harm."""

from __future__ import annotations

import json as json_module
import os
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxpy.inline import opener
from tuxpy.listing import Entry, Sort, etag, json, ordered, parse_sort, read, wants_json
from tuxpy.listing_page import html, human_size
from tuxpy.site import Site

NAMES = st.binary(min_size=1, max_size=40).filter(lambda name: b"/" not in name and b"\0" not in name)
ENTRIES = st.lists(
    st.builds(Entry, NAMES, st.booleans(), st.integers(0, 1 << 50), st.integers(-(1 << 60), 1 << 62)),
    max_size=8, unique_by=lambda entry: entry.name,
)
SORTS = st.builds(Sort, st.sampled_from(["name", "size", "date"]), st.booleans())
VOID = {"meta", "link", "br"}


class Page(HTMLParser):
    """Balanced tags and the links, or a failed assertion."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.feed(page.decode())
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        assert not any(name.startswith("on") for name, _ in attrs)
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@given(ENTRIES, SORTS, st.booleans())
def test_every_name_is_linked_by_its_very_bytes(entries: list[Entry], sort: Sort, truncated: bool) -> None:
    """Relative and with "./" in front, so that no name is taken for a scheme or a host."""
    page = Page(html((b"a", b"b"), entries, truncated, sort))
    assert all(link.startswith("./") for link in page.links)
    names = {unquote_to_bytes(link[2:]) for link in page.links}
    assert {entry.name + b"/" * entry.is_directory for entry in entries} <= names


@given(ENTRIES, SORTS)
def test_the_order_is_total(entries: list[Entry], sort: Sort) -> None:
    """However they come: directories first, and one order for one set."""
    once = ordered(entries, sort)
    assert once == ordered(entries[::-1], sort)
    assert sorted(once, key=lambda entry: not entry.is_directory) == once
    assert etag(html((), entries, False, sort)) == etag(html((), entries[::-1], False, sort))


@given(ENTRIES, st.booleans())
def test_rfc_8259_json_says_the_same(entries: list[Entry], truncated: bool) -> None:
    said = json_module.loads(json((b"a",), entries, truncated))
    assert said["path"] == "/a/"
    assert said["truncated"] is truncated
    exact = {
        unquote_to_bytes(entry["name_bytes"]) if "name_bytes" in entry else entry["name"].encode()
        for entry in said["entries"]
    }
    assert exact == {entry.name for entry in entries}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "www" / "sub").mkdir(parents=True)
    (tmp_path / "secret").write_text("outside")
    for name in ("a.txt", ".hidden", "unreadable", os.fsdecode(b"caf\xe9"), "new\nline"):
        (tmp_path / "www" / name).write_text("x")
    for name, target in (("in", "a.txt"), ("out", "../secret"), ("gone", "nowhere"), ("away", "sub")):
        (tmp_path / "www" / name).symlink_to(target)
    os.mkfifo(tmp_path / "www" / "fifo")
    return tmp_path / "www"


def test_what_cannot_be_asked_for_is_not_shown(root: Path) -> None:
    """Neither fifos nor links that lead out or nowhere, nor what is hidden; a link is what it leads to."""
    with Site(str(root), opener()) as site:
        entries, more = read(site.root_fd, b"", site.open_beneath, lambda name: name.startswith(b"."))
    assert not more
    shown = {entry.name: entry.is_directory for entry in entries}
    wanted = {b"a.txt": False, b"caf\xe9": False, b"new\nline": False, b"unreadable": False, b"in": False}
    assert shown == {**wanted, b"sub": True, b"away": True}


def test_a_huge_directory_costs_a_bounded_look(root: Path) -> None:
    with Site(str(root), opener()) as site:
        entries, more = read(site.root_fd, b"", site.open_beneath, lambda _: False, entries_max=2)
    assert more
    assert len(entries) <= 2
    assert b"more in this directory" in html((), entries, more, Sort())


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        *((None, Sort()), (b"", Sort()), (b"sort=size", Sort("size")), (b"sort=date&order=desc", Sort("date", True))),
        *((b"sort=evil&order=up", Sort()), (b"x=1&sort=size&y", Sort("size")), (b"sort=%00", Sort())),
    ],
)
def test_the_query_asks_for_an_order(query: bytes | None, wanted: Sort) -> None:
    assert parse_sort(query) == wanted


@pytest.mark.parametrize(
    ("accept", "query", "wanted"),
    [
        *((None, None, False), (b"*/*", None, False), (b"text/html,*/*;q=0.8", None, False)),
        *((b"application/json", None, True), (b"text/html;q=0.5, application/json", None, True)),
        *((b"application/json;q=0", None, False), (b"text/html", b"format=json", True)),
    ],
)
def test_9110_12_5_1_json_for_whoever_prefers_it(accept: bytes | None, query: bytes | None, wanted: bool) -> None:
    assert wants_json(accept, query) is wanted


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1 << 30, "1.0 GiB")]
)
def test_sizes_for_people(size: int, said: str) -> None:
    assert human_size(size) == said
