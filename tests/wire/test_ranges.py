"""Parts of files: RFC 9110 section 14 and what 13, 15.3.7 and 15.5.17 say of it, over the wire."""

from __future__ import annotations

import random
import re

import pytest
from support.client import Response, get
from support.fixtures import Ask, Connect
from support.poll import until
from support.running import Running, taken
from support.webroot import CONTENT

FILES = ("in-memory.bin", "from-file.bin", "large.bin")


def _range(name: str, value: str, *more: str) -> bytes:
    return get(f"/{name}", f"Range: {value}", *more)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("value", "first", "last"),
    [
        *(("0-0", 0, 0), ("0-499", 0, 499), ("9500-", 9500, None), ("-500", -500, None), ("-1", -1, None)),
        *(("0-", 0, None), ("100-99999999999", 100, None), ("-99999999999", 0, None)),
    ],
)
def test_9110_14_1_2_one_range(ask: Ask, name: str, value: str, first: int, last: int | None) -> None:
    """A first and a last position, an open end, a suffix; what reaches beyond the end is cut there."""
    content = CONTENT[name]
    start = first if first >= 0 else len(content) + first
    end = len(content) - 1 if last is None else last
    answer = ask(_range(name, f"bytes={value}"))
    assert answer.status == 206
    assert answer[b"content-range"] == b"bytes %d-%d/%d" % (start, end, len(content))
    assert answer.body == content[start : end + 1]


@pytest.mark.parametrize("name", FILES)
def test_9110_15_5_17_nothing_of_it_is_there(ask: Ask, name: str) -> None:
    size = len(CONTENT[name])
    answer = ask(_range(name, f"bytes={size}-"))
    assert answer.status == 416
    assert answer[b"content-range"] == b"bytes */%d" % size
    assert not answer.closes


@pytest.mark.parametrize(
    "value",
    [
        *("items=0-1", "bytes=", "bytes=1_0-20", "bytes=+1-2", "bytes= 1-2", "bytes=2-1", "bytes=a-b", "bytes=--1"),
        *("bytes=1-2-3", "bytes=0-0," * 200 + "0-0", "bytes=99999999999999999999-"),
    ],
)
def test_9110_14_2_what_is_no_range_is_ignored(ask: Ask, value: str) -> None:
    answer = ask(_range("large.bin", value))
    assert answer.status == 200
    assert answer.body == CONTENT["large.bin"]


def test_9110_14_2_head_is_told_of_the_whole(ask: Ask) -> None:
    """GET is the only method for which ranges are defined."""
    answer = ask(get("/large.bin", "Range: bytes=0-9", method="HEAD"))
    assert answer.status == 200
    assert answer[b"content-length"] == b"%d" % len(CONTENT["large.bin"])


def test_9110_14_3_ranges_are_offered(ask: Ask) -> None:
    assert ask(get("/large.bin", method="HEAD"))[b"accept-ranges"] == b"bytes"


def _parts(answer: Response) -> list[tuple[bytes, bytes]]:
    """(Content-Range, content) of every part, by the grammar of RFC 2046 5.1.1."""
    found = re.fullmatch(rb"multipart/byteranges; boundary=([0-9a-f]+)", answer[b"content-type"])
    assert found
    delimiter = b"\r\n--" + found[1]
    first, *parts, rest = answer.body.split(delimiter)
    assert (first, rest) == (b"", b"--\r\n")
    read = []
    for part in parts:
        head, content = part.removeprefix(b"\r\n").split(b"\r\n\r\n", 1)
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n"))
        assert fields[b"Content-Type"] == b"application/octet-stream"
        read.append((fields[b"Content-Range"], content))
    return read


@pytest.mark.parametrize("name", FILES)
def test_9110_15_3_7_2_several_ranges(ask: Ask, name: str) -> None:
    """In the order in which they were asked for, and no field Content-Range for the whole."""
    content = CONTENT[name]
    answer = ask(_range(name, "bytes=5000-5999, 0-99, -10"))
    assert answer.status == 206
    assert b"Content-Range" not in dict(answer.fields)
    size = len(content)
    assert _parts(answer) == [
        (b"bytes 5000-5999/%d" % size, content[5000:6000]),
        (b"bytes 0-99/%d" % size, content[:100]),
        (b"bytes %d-%d/%d" % (size - 10, size - 1, size), content[-10:]),
    ]


@pytest.mark.parametrize("name", FILES)
def test_9110_17_15_many_ranges_do_not_amplify(ask: Ask, name: str) -> None:
    """A hundred ranges that overlap cost no more than the file."""
    answer = ask(_range(name, "bytes=" + ",".join(f"{n}-" for n in range(100))))
    assert answer.status == 206
    assert answer.body == CONTENT[name]


@pytest.mark.parametrize("name", FILES)
def test_9110_13_1_5_if_range(ask: Ask, name: str) -> None:
    """The part when the version is the client's, else the whole of what is there now."""
    whole, content = ask(get(f"/{name}")), CONTENT[name]
    tag, date = whole[b"etag"].decode(), whole[b"last-modified"].decode()
    other = "Sat, 05 Nov 1994 08:49:37 GMT"
    for guard, holds in ((tag, True), (f"W/{tag}", False), ('"other"', False), (date, True), (other, False)):
        answer = ask(_range(name, "bytes=0-9", f"If-Range: {guard}"))
        assert answer.status == (206 if holds else 200), guard
        assert answer.body == (content[:10] if holds else content)


def test_9110_13_2_2_conditions_come_first(ask: Ask) -> None:
    tag = ask(get("/large.bin", method="HEAD"))[b"etag"].decode()
    assert ask(_range("large.bin", "bytes=0-9", f"If-None-Match: {tag}")).status == 304
    assert ask(_range("large.bin", "bytes=0-9", 'If-Match: "other"')).status == 412


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_9110_14_random_ranges_piece_the_file_together(server: Running, connect: Connect, name: str) -> None:
    """Every single range that can be asked for is the slice of the same numbers."""
    content, dice, client = CONTENT[name], random.Random(name), connect(server)
    for _ in range(200):
        first = dice.randrange(len(content))
        last = dice.randrange(first, len(content))
        answer = client.ask(_range(name, f"bytes={first}-{last}"))
        assert answer.status == 206
        assert answer.body == content[first : last + 1]


def test_several_long_ranges_hold_no_file_open(server: Running, connect: Connect) -> None:
    """RFC 9110 14.2: any of them may be asked for, so a flood of them must not keep a descriptor each."""
    content = CONTENT["large.bin"]
    with connect(server) as client:
        client.ask(_range("large.bin", "bytes=0-9"))
        before = taken()
        for first in range(5):
            answer = client.ask(_range("large.bin", f"bytes={first}-70000, 80000-"))
            assert answer.status == 206 and content[80000:] in answer.body
        assert until(lambda: len(taken()) <= len(before))
