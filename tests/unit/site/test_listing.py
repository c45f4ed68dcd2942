"""Listings: what is shown, that links lead where they say, and that no name can do harm."""

from __future__ import annotations

import base64
import hashlib
import json as json_module
import os
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxpy.model import FileFact
from tuxpy.site import listing, listing_page
from tuxpy.site.listing import Entry, Sort, ordered, parse_sort, read, wants_json
from tuxpy.site.listing_page import POLICY, readable
from tuxpy.site.opener import opener
from tuxpy.site.opening import OpenBeneath
from tuxpy.site.site import IsDirectory, Site, release
from tuxpy.site.sizes import human_size

from .. import odd_tree

NAMES = st.binary(min_size=1, max_size=40).filter(lambda name: b"/" not in name and b"\0" not in name)

def html(path: tuple[bytes, ...], entries: list[Entry], truncated: bool, sort: Sort) -> bytes:
    return b"".join(listing_page.html(path, entries, truncated, sort))


def json(path: tuple[bytes, ...], entries: list[Entry], truncated: bool) -> bytes:
    return b"".join(listing.json(path, entries, truncated))


def etag(body: bytes) -> bytes:
    tag = listing.Tag()
    tag.update(body)
    return tag.value()


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


def test_names_are_in_the_order_of_people() -> None:
    wanted = ["sub", "a1", "A2", "ä2", "a10", "a10b", "b", "Z", "z"]
    entries = [Entry(name.encode(), name == "sub", 0, 0) for name in wanted]
    assert ordered(entries[::-1], Sort()) == entries
    assert ordered(entries, Sort("name", True)) == [entries[0], *entries[:0:-1]]
    assert ordered(entries[::-1], Sort("size", True)) == entries  # equal sizes: by name, whatever the direction


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


@pytest.fixture
def odd(tmp_path: Path) -> dict[bytes, list[bytes]]:
    """The odd tree in the folder "site" of tmp_path; the names in some of its directories."""
    top = odd_tree.plant(tmp_path / "site")
    folders = ("", "docs", "odd")
    return {path.encode(): [os.fsencode(found.name) for found in (top / path).iterdir()] for path in folders}


def test_what_is_shown_is_what_can_be_asked_for(
    tmp_path: Path, odd: dict[bytes, list[bytes]], opener: OpenBeneath, request: pytest.FixtureRequest
) -> None:
    """With each opener, listing and site agree on every name and on its facts."""
    with Site(str(tmp_path / "site" / "root"), opener) as site:
        request.getfixturevalue("unprivileged")  # only now: nobody may enter the folders above
        for path, names in odd.items():
            entries, _ = read(site.root_fd, path, opener, lambda _: False)
            listed = {entry.name: (entry.is_directory, entry.size, entry.mtime_ns) for entry in entries}
            for name in names:
                found = site.open(path + b"/" + name if path else name)
                if isinstance(found, FileFact):
                    release(found)
                    assert listed.pop(name) == (False, found.size, found.mtime_ns)
                elif isinstance(found, IsDirectory):
                    assert listed.pop(name)[0]
            assert not listed


def test_a_shortage_of_descriptors_is_not_an_empty_directory(root: Path) -> None:
    """Else a page without its links would be taken for the truth."""
    def short(root_fd: int, path: bytes) -> int:
        if path == b".":
            return os.open(root, os.O_RDONLY)
        raise OSError(24, "Too many open files")

    with pytest.raises(OSError, match="Too many"):
        read(-1, b"", short, lambda _: False)


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
        *((b"application/json", b"format=html", False), (b"application/json", b"format=x", True)),
        *((b"application/json, text/plain, */*", None, True), (b"application/json, text/html", None, False)),
        *((b"application/*;q=0.2, */*;q=0.1", None, True), (b"*/*, text/html;q=0", None, True)),
        *((b"APPLICATION/JSON ; Q=0.5,,text/html; q=0.4", None, True), (b"application/json;charset=utf-8", None, True)),
        *((b"application/json;v=2", None, False), (b"application/json;q=2", None, False), (b"x", None, False)),
        *((b'text/html;x="a,application/json"', None, False), (b'a/b;x="\\",", application/json', None, True)),
        *((b"a/a" + b" ;" * 8000 + b"!", None, False), (b'"' * 16000, None, False)),  # and not slowly
        *((b'a/a;a="' + b'\\"' * 8000, None, False), (b"a/a;" + b" " * 16000 + b"!", None, False)),
    ],
)
def test_9110_12_5_1_json_for_whoever_prefers_it(accept: bytes | None, query: bytes | None, wanted: bool) -> None:
    assert wants_json(accept, query) is wanted


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1 << 30, "1.0 GiB")]
)
def test_sizes_for_people(size: int, said: str) -> None:
    assert human_size(size) == said


@given(st.integers(0, 1 << 64), st.integers(0, 1 << 64))
def test_sizes_are_short_and_never_turn_the_order_round(a: int, b: int) -> None:
    units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB"]
    said = [human_size(size).split(" ") for size in sorted((a, b))]
    (number, unit), (number_, unit_) = said
    assert (units.index(unit), float(number)) <= (units.index(unit_), float(number_))
    assert len(number.replace(".", "")) <= 4


# What is seen of a name.


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        *((b"caf\xe9", "caf\\xe9"), (b"new\nline", "new\\x0aline"), ("gr\xfc\xdf".encode(), "gr\xfc\xdf")),
        *((b"back\\slash", "back\\slash"), (b"\\x0a", "\\\\x0a"), (b"\\ \n", "\\\\ \\x0a"), (b" ", "\\x20")),
        *(("1\u202fPM".encode(), "1\u202fPM"), ("\u202egpj".encode(), "\\xe2\\x80\\xaegpj")),
        *(("\u200d".encode(), "\\xe2\\x80\\x8d"), ("a\u200d\n".encode(), "a\u200d\\x0a")),
    ],
)
def test_a_name_is_readable(name: bytes, seen: str) -> None:
    assert readable(name) == seen


@given(NAMES, NAMES)
def test_different_names_look_different(one: bytes, other: bytes) -> None:
    assert one == other or readable(one) != readable(other)


@given(NAMES)
def test_a_name_is_seen_and_acts_on_nothing_around_it(name: bytes) -> None:
    assert readable(name).strip()
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", readable(name))


def test_mark_up_in_a_name_is_text() -> None:
    page = html((b"<i>", b"\"'&"), [Entry(b"</a><script>\"'&", False, 1, 0)], False, Sort())
    Page(page)
    assert page.count(b"&lt;/a&gt;&lt;script&gt;&quot;&#x27;&amp;</a>") == 1
    assert b"<title>Index of /&lt;i&gt;/&quot;&#x27;&amp;/</title>" in page


# The page.


def test_the_policy_allows_the_one_style_sheet_and_nothing_else() -> None:
    """CSP 3, 6.7.2: the hash is that of the text of the element."""
    sheets = re.findall(rb"<style>(.*?)</style>", html((), [], False, Sort()), re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(sheet).digest()) for sheet in sheets]
    assert POLICY.startswith(b"default-src 'none'; style-src 'sha256-%s';" % digests[0])
    assert len(sheets) == 1
    assert not re.search(rb"url\(|@import|\sstyle=|\ssrc=", html((b"a",), [], True, Sort()))


@given(SORTS)
def test_one_column_says_the_order_and_offers_the_other(sort: Sort) -> None:
    page = html((), [Entry(b"a", False, 1, 0)], False, sort).decode()
    state, other = ("descending", "asc") if sort.descending else ("ascending", "desc")
    assert page.count("aria-sort=") == 1
    assert f'aria-sort="{state}"><a href="./?sort={sort.by}&amp;order={other}"' in page
    assert page.count('<th scope="col"') == 3
    assert page.count('<th scope="row"') == page.count("<caption>") == 1


def test_the_crumbs_lead_upwards() -> None:
    assert Page(html((b"a", b"b", b"c"), [], False, Sort())).links[1:4] == ["./../../../", "./../../", "./../"]
    assert b"<nav" not in html((), [], False, Sort())


@pytest.mark.parametrize("seconds", [-(1 << 70), -62135596801, 253402300800, 1 << 70])
def test_a_time_that_no_calendar_has_is_left_out(seconds: int) -> None:
    entry = Entry(b"a", False, 1, seconds * 10**9)
    assert b"<time" not in html((), [entry], False, Sort())
    assert json_module.loads(json((), [entry], False))["entries"][0]["modified"] is None


def test_rfc_3339_5_6_a_year_has_four_digits() -> None:
    entry = Entry(b"a", False, 1, -62135596800 * 10**9)
    page = html((), [entry], False, Sort())
    assert b'<time datetime="0001-01-01T00:00:00Z">0001-01-01<span> 00:00</span></time>' in page


def test_a_large_page_is_made_at_once() -> None:
    entries = [Entry(b"file %d.txt" % number, False, number * 77, number * 10**9) for number in range(10000)]
    began = time.perf_counter()
    page = html((), entries, True, Sort())
    print(f"10,000 entries: {len(page)} bytes in {(time.perf_counter() - began) * 1000:.0f} ms")
    assert page.count(b"<tr>") == 10001
