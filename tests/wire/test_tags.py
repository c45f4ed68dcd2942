"""Entity tags and dates as the policy has them made, over the wire: RFC 9110 sections 8.8, 13.1.3 to 13.1.5, 13.2.2."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

import pytest
from support.client import Response, get
from support.fixtures import Connect, Serve
from support.planted import Planter, plant
from support.webroot import MODIFIED, MODIFIED_S, settle, write

from tuxpy.http import httpdate
from tuxpy.rules.policy import TAGS, Policy, Tag
from tuxpy.site.tags import NO_TIME_BEFORE_S

TEXT = b"".join(b"line %d of a text that shrinks well\n" % n for n in range(400))
LARGE = bytes(range(256)) * 1024
FILES = {
    "a.css": TEXT,
    "b.css": TEXT,
    "b.css.gz": gzip.compress(TEXT, 9),
    "a.png": b"picture\n",
    "large.bin": LARGE,
    "empty.txt": b"",
    "index.html": b"<!doctype html>\n",
}
GZIP = "Accept-Encoding: gzip"
FUTURE = "Fri, 31 Dec 9999 23:59:59 GMT"


@pytest.fixture
def planter(serve: Serve, connect: Connect, tmp_path: Path) -> Planter:
    return Planter(serve, connect, tmp_path / "root")


def _answers(serve: Serve, connect: Connect, root: Path, tag: Tag, requests: list[bytes]) -> list[Response]:
    """Those of a server of its own, which is gone then."""
    running = serve(root, policy=Policy(tag=tag))
    with connect(running) as client:
        answers = [client.ask(request) for request in requests]
    running.check_at_rest()
    running.stop()
    running.close()
    return answers


def _two(tmp_path: Path, later_s: int) -> list[Path]:
    """Two roots with the same bytes, the times of the second `later_s` later."""
    roots = [plant(tmp_path / name, FILES) for name in ("one", "two")]
    for file in roots[1].iterdir():
        os.utime(file, (MODIFIED_S + later_s, MODIFIED_S + later_s))
    settle()
    return roots


@pytest.mark.slow
@pytest.mark.parametrize("field", ["X: y", GZIP], ids=["plain", "gzip"])
@pytest.mark.parametrize(("tag", "later_s"), [("content", 1_000_000), ("content", 0), ("time", 0)])
def test_9110_8_8_3_machines_with_the_same_files_agree(
    serve: Serve, connect: Connect, tmp_path: Path, tag: Tag, later_s: int, field: str
) -> None:
    """So a client may ask one and then the other; every representation of a name has a tag of its own (8.8.3.3)."""
    one, two = _two(tmp_path, later_s)
    requests = [get(f"/{name}", field) for name in FILES]
    first, second = (_answers(serve, connect, root, tag, requests) for root in (one, two))
    assert [answer.undated for answer in first] == [answer.undated for answer in second]
    again = [
        get(f"/{name}", field, f"If-None-Match: {answer[b'etag'].decode()}")
        for name, answer in zip(FILES, first, strict=True)
    ]
    assert {answer.status for answer in _answers(serve, connect, two, tag, again)} == {304}


@pytest.mark.slow
@pytest.mark.parametrize(("tag", "later_s"), [("file", 0), ("time", 1)])
def test_9110_8_8_3_machines_that_differ_in_what_the_tag_is_made_of_do_not(
    serve: Serve, connect: Connect, tmp_path: Path, tag: Tag, later_s: int
) -> None:
    one, two = (_answers(serve, connect, root, tag, [get("/a.css")])[0] for root in _two(tmp_path, later_s))
    assert one[b"etag"] != two[b"etag"]


# By content there are no dates.


@pytest.mark.parametrize("name", ["a.png", "a.css", "b.css", "large.bin", ""])
@pytest.mark.parametrize("field", ["X: y", GZIP])
def test_9110_8_8_2_1_a_time_that_says_nothing_is_not_told(planter: Planter, name: str, field: str) -> None:
    answer = planter(FILES, Policy(tag="content")).ask(get(f"/{name}", field))
    assert answer.status == 200
    assert b"last-modified" not in answer
    assert b"etag" in answer


def _conditions(tag: str) -> list[tuple[tuple[str, ...], int]]:
    old, future = "Thu, 01 Jan 1970 00:00:00 GMT", FUTURE
    return [
        ((f"If-Modified-Since: {future}",), 200),
        ((f"If-Modified-Since: {MODIFIED.decode()}",), 200),
        ((f"If-Unmodified-Since: {old}",), 200),
        ((f"If-None-Match: {tag}", f"If-Modified-Since: {old}"), 304),
        (('If-None-Match: "x"', f"If-Modified-Since: {future}"), 200),
        ((f"If-Match: {tag}", f"If-Unmodified-Since: {old}"), 200),
        (('If-Match: "x"', f"If-Unmodified-Since: {future}"), 412),
        ((f"If-Unmodified-Since: {old}", f"If-None-Match: {tag}"), 304),
        ((f"If-Range: {tag}", "Range: bytes=1-2"), 206),
        (('If-Range: "x"', "Range: bytes=1-2"), 200),
        ((f"If-Range: W/{tag}", "Range: bytes=1-2"), 200),
        ((f"If-Range: {MODIFIED.decode()}", "Range: bytes=1-2"), 200),
        ((f"If-Range: {future}", "Range: bytes=1-2"), 200),
        ((f"If-Range: {old}", "Range: bytes=1-2"), 200),
        (("If-Range: Wed, 31 Dec 1969 23:59:58 GMT", "Range: bytes=1-2"), 200),
        ((f"If-Unmodified-Since: {old}", "Range: bytes=1-2"), 206),
    ]


@pytest.mark.parametrize("name", ["a.png", "large.bin", "b.css"])
def test_9110_13_1_3_a_condition_by_date_is_ignored_where_there_is_none(planter: Planter, name: str) -> None:
    """RFC 9110 13.1.3, 13.1.4: MUST ignore it if there is no modification date; 13.1.5: such an If-Range is false."""
    site = planter(FILES, Policy(tag="content"))
    whole = site.ask(get(f"/{name}"))
    for fields, status in _conditions(whole[b"etag"].decode()):
        answer = site.ask(get(f"/{name}", *fields))
        assert answer.status == status, fields
        if status in (200, 206):
            assert answer.body == (whole.body[1:3] if status == 206 else whole.body)
            assert answer[b"etag"] == whole[b"etag"]


@pytest.mark.parametrize("tag", TAGS)
def test_9110_13_1_5_no_date_is_no_date_before_1970(planter: Planter, tag: Tag) -> None:
    site = planter({"a.png": b"picture\n"}, Policy(tag=tag))
    os.utime(site.root / "a.png", (1, 1))
    settle()
    answer = site.client().ask(get("/a.png", "Range: bytes=0-1", "If-Range: Wed, 31 Dec 1969 23:59:59 GMT"))
    assert answer.status == 200


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, False), (1, False), (-1, False), (NO_TIME_BEFORE_S - 1, False), (NO_TIME_BEFORE_S, True), (MODIFIED_S, True)],
)
def test_9110_8_8_2_1_times_of_reproducible_builds_are_no_dates(
    planter: Planter, tag: Tag, seconds: int, told: bool
) -> None:
    """Whoever was told of one would never fetch the next version, which has the same."""
    site = planter({"a.png": b"picture\n"}, Policy(tag=tag))
    os.utime(site.root / "a.png", (seconds, seconds))
    settle()
    answer = site.ask(get("/a.png"))
    assert (b"last-modified" in answer) is (told and tag != "content")
    if told and tag != "content":
        assert httpdate.parse(answer[b"last-modified"]) == seconds
    unmodified = site.ask(get("/a.png", f"If-Modified-Since: {FUTURE}"))
    assert unmodified.status == (304 if told and tag != "content" else 200)
    assert site.ask(get("/a.png", f"If-None-Match: {answer[b'etag'].decode()}")).status == 304


# Another version has another tag.


def _rewrite_in_the_same_time(file: Path, content: bytes) -> None:
    """Other bytes, as many, at the same time; by way of another file, so that the inode is another one."""
    before = file.stat()
    fresh = file.with_name("fresh")
    fresh.write_bytes(content)
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh.replace(file)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.png", "a.css", "large.bin"])
@pytest.mark.parametrize(("tag", "seconds"), [("content", MODIFIED_S), ("content", 1), ("time", 1), ("file", 1)])
def test_9110_8_8_1_a_changed_byte_changes_the_tag(planter: Planter, tag: Tag, seconds: int, name: str) -> None:
    """RFC 9110 8.8.1: a strong validator changes whenever the content does. Where the time is that of every version of
    a reproducible build, the tag has to be made of something else, or old copies are taken for new ones for ever."""
    site = planter(FILES, Policy(tag=tag))
    os.utime(site.root / name, (seconds, seconds))
    settle()
    before = site.warm(get(f"/{name}"))[0]
    _rewrite_in_the_same_time(site.root / name, before.body[:-1] + b"!")
    question = get(f"/{name}", f"If-None-Match: {before[b'etag'].decode()}")
    assert site.becomes(question, lambda answer: answer.status == 200)
    settle()
    assert site.becomes(get(f"/{name}"), lambda answer: answer.body == before.body[:-1] + b"!")
    assert site.client().ask(get(f"/{name}"))[b"etag"] != before[b"etag"]
    _rewrite_in_the_same_time(site.root / name, before.body)
    if tag != "file":
        assert site.becomes(question, lambda answer: answer.status == 304), "the same bytes again: the same tag"


def test_9110_8_8_1_a_file_with_a_new_time_keeps_its_tag_by_content(planter: Planter) -> None:
    site = planter(FILES, Policy(tag="content"))
    before = site.client().ask(get("/large.bin"))
    os.utime(site.root / "large.bin", (MODIFIED_S + 5, MODIFIED_S + 5))
    assert site.client().ask(get("/large.bin?again")).undated == before.undated


@pytest.mark.parametrize("tag", TAGS)
def test_9110_8_8_3_a_file_that_was_written_just_now_never_keeps_the_tag_of_other_bytes(
    planter: Planter, tag: Tag
) -> None:
    """Times go in ticks: within one, a second write leaves all facts as they are. By content the tag tells all the
    same; by facts the tag is the best there is, and a little later it is right."""
    site = planter({}, Policy(tag=tag))
    file, seen = site.root / "a.txt", dict[bytes, set[bytes]]()
    with site.client() as client:
        for number in range(40):
            file.write_bytes(b"%02d" % number)
            answer = client.ask(get("/a.txt", f'If-None-Match: "{number}"'))
            seen.setdefault(answer[b"etag"], set()).add(answer.body)
    if tag == "content":
        assert all(len(bodies) == 1 for bodies in seen.values())


# Forms of a file.


@pytest.mark.parametrize("tag", TAGS)
def test_9110_8_8_3_3_every_form_has_its_own_tag(planter: Planter, tag: Tag) -> None:
    """RFC 9110 8.8.3.3: plain, coded here, and coded by its author."""
    site = planter(FILES, Policy(tag=tag))
    answers = [site.ask(get(target, field)) for target in ("/a.css", "/b.css") for field in ("X: y", GZIP)]
    assert {gzip.decompress(a.body) if b"content-encoding" in a else a.body for a in answers} == {TEXT}
    for plain, coded in (answers[:2], answers[2:]):
        assert plain[b"etag"] != coded[b"etag"]
    tags = {answer[b"etag"]: answer.body for answer in answers}
    assert len(tags) == (4 if tag == "file" else 3), "the plain ones are alike in all but the inode"
    for target, field, answer in (("/a.css", GZIP, answers[1]), ("/b.css", GZIP, answers[3])):
        question = f"If-None-Match: {answer[b'etag'].decode()}"
        assert site.ask(get(target, field, question)).status == 304
        assert site.ask(get(target, question)).status == 200


GZIP_SIGN = b"\x1f\x8b\x08"  # RFC 1952 section 2.3.1: without it a copy is not taken for gzip


@pytest.mark.parametrize("tag", TAGS)
def test_9110_8_8_3_3_even_with_the_same_size_at_the_same_time(planter: Planter, tag: Tag) -> None:
    """Tools give a coded file the time of its original; that the sizes are the same is a matter of chance."""
    body = b"0123456789" * 40
    site = planter({"a.css": body, "a.css.gz": GZIP_SIGN + b"g" * 397, "a.css.br": b"b" * 400}, Policy(tag=tag))
    values = ("identity", "gzip, identity;q=0", "br, *;q=0")
    answers = [site.ask(get("/a.css", f"Accept-Encoding: {value}")) for value in values]
    assert [answer.body[:1] for answer in answers] == [b"0", GZIP_SIGN[:1], b"b"]
    assert len({answer[b"etag"] for answer in answers}) == 3


def test_9110_14_2_parts_of_an_authors_form_by_content(planter: Planter) -> None:
    site = planter(FILES, Policy(tag="content"))
    whole = site.ask(get("/b.css", GZIP))
    assert whole.body == FILES["b.css.gz"]
    part = site.ask(get("/b.css", GZIP, "Range: bytes=3-6", f"If-Range: {whole[b'etag'].decode()}"))
    assert (part.status, part.body, part[b"etag"]) == (206, whole.body[3:7], whole[b"etag"])
    assert site.ask(get("/b.css", "Range: bytes=3-6", f"If-Range: {whole[b'etag'].decode()}")).body == TEXT


def test_9110_9_3_2_head_has_the_same_tag(planter: Planter) -> None:
    site = planter(FILES, Policy(tag="content"))
    for name in FILES:
        for field in ("X: y", GZIP):
            answer, head = (site.client().ask(get(f"/{name}", field, method=m)) for m in ("GET", "HEAD"))
            assert head.undated.fields == answer.undated.fields


def test_9110_8_8_2_a_date_is_never_later_than_now(planter: Planter) -> None:
    """RFC 9110 8.8.2.1: a time in the future is told as that of the answer."""
    site = planter({}, Policy(tag="time"))
    write(site.root / "a.png", b"a", int(time.time()) + 10_000)
    answer: Response = site.client().ask(get("/a.png"))
    date, modified = httpdate.parse(answer[b"date"]), httpdate.parse(answer[b"last-modified"])
    assert date is not None
    assert modified is not None
    assert modified <= date


@pytest.mark.slow
def test_9110_8_8_3_every_site_has_its_own_kind_of_tag(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """The same files behind several servers; what was hashed for one is known to the others."""
    root = plant(tmp_path / "root", FILES)
    tags = {_answers(serve, connect, root, kind, [get("/large.bin")])[0][b"etag"] for kind in TAGS}
    assert len(tags) == 3
