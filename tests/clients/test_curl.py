"""curl: every way of asking that its command line has, one after the other."""

from __future__ import annotations

import os
import random
import re
from email import message_from_bytes
from pathlib import Path
from typing import Final

import pytest
from support.webroot import MODIFIED, MODIFIED_S, write

from .fixtures import Publish, Run
from .programs import MARKS, program
from .relay import Relay

pytestmark = MARKS

DATA: Final = random.Random(1).randbytes(300_000)
TEXT: Final = "".join(f"line {number}\n" for number in range(5000)).encode()
ETAG = re.compile(r'"[!#-~]+"')


@pytest.fixture
def curl() -> str:
    return program("curl", package="curl")


@pytest.fixture
def site(root: Path, publish: Publish) -> Relay:
    write(root / "data.bin", DATA)
    write(root / "text.txt", TEXT)
    write(root / "empty.txt", b"")
    return publish(root)


def test_9112_9_3_several_urls_go_over_one_connection(site: Relay, curl: str, run: Run, here: Path) -> None:
    targets = ["/text.txt", "/data.bin", "/empty.txt", "/missing", "/text.txt"] * 4
    words = [word for number, target in enumerate(targets) for word in ("-o", f"{number}", site.url + target)]
    done = run(curl, "-sS", "-w", "%{http_code} %{num_connects}\n", *words)
    lines = [line.split() for line in done.out.splitlines()]
    assert [status for status, _ in lines] == ["200", "200", "200", "404", "200"] * 4
    assert [connects for _, connects in lines] == ["1"] + ["0"] * 19
    assert [(here / f"{number}").read_bytes() for number in (0, 1, 2, 19)] == [TEXT, DATA, b"", TEXT]
    assert site.connections == 1


def test_many_at_once(site: Relay, curl: str, run: Run, here: Path) -> None:
    run(curl, "-sS", "--fail", "-Z", "--parallel-max", "20", "-o", "#1", f"{site.url}/data.bin?[1-60]")
    assert all((here / f"{number}").read_bytes() == DATA for number in range(1, 61))


def test_9110_9_3_2_head_has_the_fields_of_get(site: Relay, curl: str, run: Run) -> None:
    run(curl, "-sS", "--fail", "-I", f"{site.url}/text.txt")
    run(curl, "-sS", "--fail", "-o", "text.txt", f"{site.url}/text.txt")
    head, get = site.passed()
    assert (head.method, get.method) == ("HEAD", "GET")
    assert (head.received, get.received) == (0, len(TEXT))
    undated = [[field for field in one.head.fields if field[0] != "date"] for one in (head, get)]
    assert undated[0] == undated[1]
    assert get.head["last-modified"] == MODIFIED.decode()


# HTTP/1.0.


def test_9112_9_3_http_1_0_closes(site: Relay, curl: str, run: Run, here: Path) -> None:
    """RFC 9110 2.5: the answer says 1.1 all the same, which is what the server speaks."""
    run(curl, "-sS", "--fail", "-0", "-o", "1", f"{site.url}/data.bin", "-o", "2", f"{site.url}/text.txt")
    assert ((here / "1").read_bytes(), (here / "2").read_bytes()) == (DATA, TEXT)
    assert [(one.version, one.options) for one in site.passed()] == [("HTTP/1.0", {"close"})] * 2
    assert site.connections == 2


def test_9112_c_2_2_http_1_0_stays_when_asked_to(site: Relay, curl: str, run: Run, here: Path) -> None:
    keep = ("-0", "-H", "Connection: keep-alive")
    run(curl, "-sS", "--fail", *keep, "-o", "1", f"{site.url}/data.bin", "-o", "2", f"{site.url}/text.txt")
    assert ((here / "1").read_bytes(), (here / "2").read_bytes()) == (DATA, TEXT)
    assert [one.options for one in site.passed()] == [{"keep-alive"}] * 2
    assert site.connections == 1


def test_9110_7_8_an_upgrade_to_http_2_is_passed_over(site: Relay, curl: str, run: Run) -> None:
    done = run(curl, "-sS", "--http2", "-o", "1", "-w", "%{http_code} %{http_version}", f"{site.url}/text.txt")
    assert done.out == "200 1.1"
    assert site.one().request["upgrade"] == "h2c"
    assert "upgrade" not in site.one().head


# Ranges.


def test_9110_15_3_7_1_a_range(site: Relay, curl: str, run: Run, here: Path) -> None:
    for asked, first, last in (
        ("100-199", 100, 199),
        ("-50", 299_950, 299_999),
        ("299990-", 299_990, 299_999),
        ("0-999999", 0, 299_999),
    ):
        run(curl, "-sS", "--fail", "-r", asked, "-o", "part", f"{site.url}/data.bin")
        assert (here / "part").read_bytes() == DATA[first : last + 1]
        assert site.passed()[-1].part == (first, last)
        assert site.passed()[-1].head["content-range"].endswith("/300000")


def test_9110_15_3_7_2_two_ranges_are_multipart(site: Relay, curl: str, run: Run, here: Path) -> None:
    run(curl, "-sS", "--fail", "-r", "0-9,200000-200099", "-o", "parts", f"{site.url}/data.bin")
    kind = site.one().head["content-type"]
    assert kind.startswith("multipart/byteranges; boundary=")
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + (here / "parts").read_bytes())
    parts = [part for part in message.walk() if not part.is_multipart()]
    assert [part["content-range"] for part in parts] == ["bytes 0-9/300000", "bytes 200000-200099/300000"]
    assert [part.get_payload(decode=True) for part in parts] == [DATA[:10], DATA[200_000:200_100]]


def test_9110_15_5_17_a_range_behind_the_end(site: Relay, curl: str, run: Run) -> None:
    run(curl, "-sS", "--fail", "-r", "300000-", f"{site.url}/data.bin", status=22)
    assert (site.one().status, site.one().head["content-range"]) == (416, "bytes */300000")


def test_9110_14_2_resume(site: Relay, curl: str, run: Run, here: Path) -> None:
    (here / "data.bin").write_bytes(DATA[:123_456])
    run(curl, "-sS", "--fail", "-C", "-", "-O", f"{site.url}/data.bin")
    assert (here / "data.bin").read_bytes() == DATA
    assert site.one().part == (123_456, 299_999)
    assert site.one().received == 300_000 - 123_456


def test_9110_15_5_17_resume_of_what_is_whole(site: Relay, curl: str, run: Run, here: Path) -> None:
    """The 416 tells how long the file is, and curl leaves its own as it is."""
    (here / "data.bin").write_bytes(DATA)
    run(curl, "-sS", "-C", "-", "-O", f"{site.url}/data.bin")
    assert (here / "data.bin").read_bytes() == DATA
    assert (site.one().status, site.one().head["content-range"]) == (416, "bytes */300000")


# Content codings.


def test_9110_12_5_3_compressed(site: Relay, curl: str, run: Run, here: Path) -> None:
    run(curl, "-sS", "--fail", "--compressed", "-o", "text.txt", f"{site.url}/text.txt")
    assert (here / "text.txt").read_bytes() == TEXT
    one = site.one()
    assert one.head["content-encoding"] in one.request["accept-encoding"]
    assert one.received == int(one.head["content-length"]) < len(TEXT) / 3
    assert "accept-encoding" in one.head["vary"].lower()


def test_9110_12_5_3_what_lies_beside_a_file(publish: Publish, root: Path, curl: str, run: Run, here: Path) -> None:
    """A coded variant is laid down by hand, and sent to those alone that can undo it."""
    write(root / "text.txt", TEXT)
    suffixes = {"gzip": "gz", "br": "br", "zstd": "zst"}
    signs = {"gzip": b"\x1f\x8b\x08", "br": b"", "zstd": b"\x28\xb5\x2f\xfd"}  # RFC 1952 2.3.1, RFC 8878 3.1.1
    for coding, suffix in suffixes.items():
        write(root / f"text.txt.{suffix}", signs[coding] + f"{coding}, by hand".encode())
    site = publish(root)
    for coding in suffixes:
        run(curl, "-sS", "--fail", "-H", f"Accept-Encoding: {coding}", "-o", coding, f"{site.url}/text.txt")
        assert (here / coding).read_bytes() == signs[coding] + f"{coding}, by hand".encode()
        assert site.passed()[-1].head["content-encoding"] == coding
    run(curl, "-sS", "--fail", "-o", "plain", f"{site.url}/text.txt")
    assert (here / "plain").read_bytes() == TEXT
    assert "content-encoding" not in site.passed()[-1].head
    assert len({one.head["etag"] for one in site.passed()}) == 4  # RFC 9110 8.8.3: each is another representation


# Conditional requests.


def test_9110_13_1_3_only_if_newer(site: Relay, curl: str, run: Run, here: Path, root: Path) -> None:
    """-R sets the time of the file, -z sends it back."""
    run(curl, "-sS", "--fail", "-R", "-O", f"{site.url}/data.bin")
    assert (here / "data.bin").stat().st_mtime == MODIFIED_S
    for _ in range(2):
        run(curl, "-sS", "--fail", "-z", "data.bin", "-o", "other", f"{site.url}/data.bin")
    os.utime(here / "data.bin", (MODIFIED_S - 1,) * 2)
    run(curl, "-sS", "--fail", "-z", "data.bin", "-o", "newer", f"{site.url}/data.bin")
    assert [one.status for one in site.passed()] == [200, 304, 304, 200]
    assert site.passed()[1].request["if-modified-since"] == MODIFIED.decode()
    assert (here / "newer").read_bytes() == DATA


def test_9110_13_1_2_only_if_another_tag(site: Relay, curl: str, run: Run, here: Path, root: Path) -> None:
    run(curl, "-sS", "--fail", "--etag-save", "tag", "-O", f"{site.url}/text.txt")
    assert ETAG.fullmatch((here / "tag").read_text().strip())
    run(curl, "-sS", "--fail", "--etag-compare", "tag", "-o", "other", f"{site.url}/text.txt")
    first, second = site.passed()
    assert (second.status, second.head["etag"]) == (304, first.head["etag"])  # RFC 9110 15.4.5: the tag is sent again
    assert second.received == 0


# What is not offered.


def test_9110_15_5_6_an_upload_is_refused_before_it_is_sent(site: Relay, curl: str, run: Run, here: Path) -> None:
    """RFC 9110 10.1.1: who waits for 100 gets the final status instead, and keeps its content."""
    (here / "big.bin").write_bytes(bytes(4 << 20))
    expect = ("-H", "Expect: 100-continue", "--expect100-timeout", "20")
    done = run(curl, "-sS", "-o", "page", "-w", "%{http_code} %{size_upload}", *expect, "-T", "big.bin", f"{site.url}/")
    assert done.out == "405 0"
    assert {method.strip() for method in site.one().head["allow"].split(",")} == {"GET", "HEAD", "OPTIONS"}


def test_9112_9_6_an_upload_that_does_not_wait_still_reads_the_refusal(
    site: Relay, curl: str, run: Run, here: Path
) -> None:
    """The connection closes in stages, so that the answer is not lost with a reset."""
    (here / "big.bin").write_bytes(bytes(600_000))
    done = run(curl, "-sS", "-o", "page", "-w", "%{http_code}", "-H", "Expect:", "-T", "big.bin", f"{site.url}/")
    assert done.out == "405"
    assert site.one().options == {"close"}
