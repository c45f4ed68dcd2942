"""Content codings over the wire: RFC 9110 8.4, 8.8.3.3, 12.5.3 and 15.4.5, judged and kept, on both back-ends."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from support.client import Response, get
from support.fixtures import Connect, Serve
from support.poll import until
from support.running import Running

TEXT = b"".join(b"line %d of a text that shrinks well\n" % n for n in range(400))
PICTURE = bytes(range(256)) * 8
BROWSER = "Accept-Encoding: gzip"


@pytest.fixture
def coded(serve: Serve, tmp_path: Path) -> Running:
    """A site with a text, the same beside its precompressed form, and what is never compressed."""
    files = {"a.css": TEXT, "b.css": TEXT, "b.css.gz": gzip.compress(TEXT, 9), "c.png": PICTURE, "d.css": b"a{}\n"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (784111777, 784111777))
    return serve(tmp_path)


def _fields(answer: Response) -> dict[bytes, bytes]:
    return dict(answer.fields)


@pytest.mark.parametrize("name", ["a.css", "b.css"])
def test_9110_12_5_3_what_is_accepted_is_sent(coded: Running, connect: Connect, name: str) -> None:
    """Made here or by the author: it decodes to the text, says what it is, and has a tag of its own."""
    client = connect(coded)
    plain = client.ask(get(f"/{name}"))
    assert plain.body == TEXT
    for _ in range(3):
        answer = client.ask(get(f"/{name}", BROWSER))
        assert gzip.decompress(answer.body) == TEXT
        assert len(answer.body) < len(TEXT)
        assert answer[b"content-encoding"] == b"gzip"
        assert answer[b"content-type"] == b"text/css; charset=utf-8"
        assert answer[b"etag"] != plain[b"etag"], "RFC 9110 8.8.3.3: every variant has its own"
    assert _fields(plain)[b"Vary"] == _fields(answer)[b"Vary"] == b"Accept-Encoding"


def test_9110_9_3_2_head_tells_of_the_same_variant(coded: Running, connect: Connect) -> None:
    client = connect(coded)
    for name in ("a.css", "b.css"):
        whole = client.ask(get(f"/{name}", BROWSER))
        head = client.ask(get(f"/{name}", BROWSER, method="HEAD"))
        assert [f for f in head.fields if f[0] != b"Date"] == [f for f in whole.fields if f[0] != b"Date"]


def test_9110_15_4_5_a_304_says_vary_too(coded: Running, connect: Connect) -> None:
    client = connect(coded)
    for name in ("a.css", "b.css"):
        tag = client.ask(get(f"/{name}", BROWSER))[b"etag"].decode()
        answer = client.ask(get(f"/{name}", BROWSER, f"If-None-Match: {tag}"))
        assert (answer.status, answer[b"vary"], answer[b"etag"]) == (304, b"Accept-Encoding", tag.encode())
        assert client.ask(get(f"/{name}", f"If-None-Match: {tag}")).status == 200, "the tag is that of the other form"


@pytest.mark.parametrize(
    "value", ["", "identity", "gzip;q=0", "*;q=0, identity", "br;q=0, gzip;q=0", "deflate", "gzip;q=0.5, identity"]
)
def test_9110_12_5_3_what_is_not_accepted_is_not_sent(coded: Running, connect: Connect, value: str) -> None:
    client = connect(coded)
    for name in ("a.css", "b.css"):
        answer = client.ask(get(f"/{name}", f"Accept-Encoding: {value}"))
        assert answer.body == TEXT
        assert b"Content-Encoding" not in _fields(answer)


def test_9110_15_5_7_nothing_acceptable_is_406(coded: Running, connect: Connect) -> None:
    answer = connect(coded).ask(get("/a.css", "Accept-Encoding: identity;q=0, compress"))
    assert answer.status == 406


@pytest.mark.parametrize("name", ["c.png", "d.css"])
def test_what_would_not_shrink_is_left_alone(coded: Running, connect: Connect, name: str) -> None:
    answer = connect(coded).ask(get(f"/{name}", BROWSER))
    assert b"Content-Encoding" not in _fields(answer)
    assert (b"Vary" in _fields(answer)) == (name == "d.css"), "whatever has variants says so, whichever is sent"


def test_9110_14_parts_of_what_exists(coded: Running, connect: Connect, tmp_path: Path) -> None:
    """Of the author's form there are parts; of what would be made here there are none, so the plain one is cut."""
    client, author = connect(coded), (tmp_path / "b.css.gz").read_bytes()
    answer = client.ask(get("/b.css", BROWSER, "Range: bytes=10-19"))
    assert (answer.status, answer[b"content-encoding"], answer.body) == (206, b"gzip", author[10:20])
    answer = client.ask(get("/a.css", BROWSER, "Range: bytes=10-19"))
    assert (answer.status, answer.body) == (206, TEXT[10:20])
    assert b"Content-Encoding" not in _fields(answer)


def test_a_stale_sibling_is_ignored_and_the_log_says_so(
    serve: Serve, connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "e.css").write_bytes(TEXT)
    (tmp_path / "e.css.gz").write_bytes(gzip.compress(b"what it was before"))
    os.utime(tmp_path / "e.css.gz", (1, 1))
    answer = connect(serve(tmp_path)).ask(get("/e.css", BROWSER))
    assert gzip.decompress(answer.body) == TEXT
    assert any("e.css.gz is older than e.css" in message for message in caplog.messages)
    caplog.clear()


# Files that are in a coding by their name or by a rule (RFC 9110 8.4), and siblings that are none.

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>' * 20
HEADERS = b"/build/*\n  Content-Encoding: gzip\n"


@pytest.fixture
def named(serve: Serve, tmp_path: Path) -> Running:
    coded = gzip.compress(TEXT, mtime=0)
    files = {
        "a.svgz": gzip.compress(SVG, mtime=0), "plain.svgz": SVG, "_headers": HEADERS, "build/a.js.gz": coded,
        "build/a.wasm": coded, "b.js.gz": coded, "index.html": b"<!doctype html>",
    }  # fmt: skip
    (tmp_path / "build").mkdir()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (784111777, 784111777))
    return serve(tmp_path)


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [
        ("a.svgz", b"image/svg+xml", SVG),
        ("build/a.js.gz", b"text/javascript; charset=utf-8", TEXT),
        ("build/a.wasm", b"application/wasm", TEXT),
    ],
)
def test_9110_8_4_a_file_says_the_coding_it_is_in(
    named: Running, connect: Connect, name: str, kind: bytes, content: bytes
) -> None:
    """Whatever is accepted: there is no other form of it. Conditions and ranges are those of its bytes (14.1.2)."""
    client = connect(named)
    for field in (BROWSER, "Accept-Encoding: identity", "Accept-Encoding: br, identity;q=0", "X-A: b"):
        for _ in range(3):
            answer = client.ask(get(f"/{name}", field))
            assert (answer.status, answer[b"content-encoding"], answer[b"content-type"]) == (200, b"gzip", kind)
            assert gzip.decompress(answer.body) == content
            assert b"vary" not in answer
    tag = answer[b"etag"].decode()
    assert client.ask(get(f"/{name}", f"If-None-Match: {tag}")).status == 304
    part = client.ask(get(f"/{name}", BROWSER, "Range: bytes=0-9", f"If-Range: {tag}"))
    assert (part.status, part[b"content-encoding"], part.body) == (206, b"gzip", answer.body[:10])
    assert client.ask(get(f"/{name}", method="HEAD"))[b"content-encoding"] == b"gzip"


def test_9110_8_4_no_other_answer_says_it(named: Running, connect: Connect) -> None:
    client = connect(named)
    assert b"content-encoding" not in client.ask(get("/build/missing.gz"))
    assert b"content-encoding" not in client.ask(get("/plain.svgz", "Accept-Encoding: identity"))
    answer = client.ask(get("/b.js.gz", BROWSER))
    assert (b"content-encoding" in answer, answer[b"content-type"]) == (False, b"application/gzip")


@pytest.mark.parametrize(("suffix", "field"), [("gz", "gzip"), ("br", "br"), ("zst", "zstd")])
@pytest.mark.parametrize("content", [b"", b"<!doctype html>"])
def test_9110_8_4_1_a_sibling_that_is_none_is_passed_over(
    serve: Serve, connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str, field: str,
    content: bytes,
) -> None:  # fmt: skip
    """A full disk leaves empty ones behind. Brotli has no sign of its own, so only empty ones are told from it."""
    if field == "br" and content:
        return
    for name, bytes_ in (("a.css", TEXT), (f"a.css.{suffix}", content)):
        (tmp_path / name).write_bytes(bytes_)
        os.utime(tmp_path / name, (784111777, 784111777))
    client = connect(serve(tmp_path))
    for _ in range(3):
        assert client.ask(get("/a.css", f"Accept-Encoding: {field}, gzip;q=0.5", "Range: bytes=0-9")).body == TEXT[:10]
    said = [record.getMessage() for record in caplog.records if "is ignored" in record.getMessage()]
    assert len(said) == 1
    caplog.clear()


def test_9110_8_4_1_a_sibling_that_is_being_written_is_no_fault(
    serve: Serve, connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is empty between open(2) and write(2): passed over without a warning, and sent once it is there."""
    original, sibling = tmp_path / "a.css", tmp_path / "a.css.gz"
    original.write_bytes(TEXT)
    os.utime(original, (784111777, 784111777))
    client = connect(serve(tmp_path))
    with sibling.open("wb", buffering=0) as writer:
        assert client.ask(get("/a.css", BROWSER, "Range: bytes=0-9")).body == TEXT[:10]
        writer.write(gzip.compress(b"the author's own"))
    assert until(lambda: gzip.decompress(client.ask(get("/a.css", BROWSER)).body) == b"the author's own")
    assert not caplog.messages
