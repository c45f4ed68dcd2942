"""wget and aria2c: a site as a whole, files in segments, and downloads that go on where they were broken off."""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from support.poll import until
from support.webroot import MODIFIED, MODIFIED_S, write

from .fixtures import Publish, Run
from .programs import MARKS, program
from .relay import Exchange, Relay

pytestmark = MARKS

LARGE_BYTES: Final = 40 << 20
_NO_ROBOTS: Final = (0, 8)  # wget's exit status: 8 where it counts the missing /robots.txt as an error of the server
_PAGE: Final = '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="/style.css">{}\n'
_LINKS: Final = (
    *("docs/", "a%20b.html", "gr%C3%BC%C3%9F%20%26%20gott.txt", "100%25.txt"),
    *("a+b.txt", "empty.txt", "data.bin"),
)
SITE: Final = {
    "index.html": _PAGE.format("".join(f'<a href="{link}">{link}</a>' for link in _LINKS)).encode(),
    "docs/index.html": _PAGE.format('<a href="deep/page.html">deep</a>').encode(),
    "docs/deep/page.html": _PAGE.format('<img src="image.png"><a href="../../">up</a>').encode(),
    "docs/deep/image.png": b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(30_000),
    "style.css": b"a { color: red }\n" * 200,
    "a b.html": _PAGE.format("a name with a blank").encode(),
    "grüß & gott.txt": "grüß gott\n".encode(),
    "100%.txt": b"percent\n",
    "a+b.txt": b"plus\n",
    "empty.txt": b"",
    "data.bin": random.Random(2).randbytes(1 << 20),
}


def contents(folder: Path) -> dict[str, bytes]:
    """All files beneath, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def wget() -> str:
    return program("wget", package="wget")


@pytest.fixture
def aria2c() -> str:
    return program("aria2c", package="aria2")


@pytest.fixture
def site(root: Path, publish: Publish) -> Relay:
    for name, content in SITE.items():
        write(root / name, content)
    return publish(root)


# wget.


def test_wget_mirror_is_the_site(site: Relay, wget: str, run: Run, here: Path) -> None:
    """RFC 9112 9.3: all of it over one connection; the times of the files are those of the site."""
    run(wget, "-nv", "--mirror", "-nH", f"{site.url}/", status=_NO_ROBOTS)
    assert contents(here) == SITE
    assert {path.stat().st_mtime for path in here.rglob("*") if path.is_file()} == {MODIFIED_S}
    assert [one.target for one in site.passed() if one.status != 200] == ["/robots.txt"]
    assert site.connections == 1


def test_9110_13_1_3_wget_mirror_again_takes_nothing(site: Relay, wget: str, run: Run, here: Path, root: Path) -> None:
    """Timestamping: what is there already is asked for with its time, and is not sent again."""
    run(wget, "-nv", "--mirror", "-nH", f"{site.url}/", status=_NO_ROBOTS)
    site.forget()
    write(root / "style.css", b"a { color: blue }\n", MODIFIED_S + 1)
    run(wget, "-nv", "-N", f"{site.url}/data.bin", f"{site.url}/a+b.txt")
    assert [(one.status, one.received) for one in site.passed()] == [(304, 0)] * 2
    assert {one.request["if-modified-since"] for one in site.passed()} == {MODIFIED.decode()}
    site.forget()
    assert until(lambda: run(wget, "-nv", "-N", f"{site.url}/style.css") and site.passed()[-1].status == 200)
    assert (here / "style.css").read_bytes() == b"a { color: blue }\n"
    site.forget()
    run(wget, "-nv", "--mirror", "-nH", f"{site.url}/", status=_NO_ROBOTS)
    assert {one.status for one in site.passed() if one.target != "/robots.txt"} == {304}
    assert contents(here) == {**SITE, "style.css": b"a { color: blue }\n"}


def test_wget_takes_a_directory_by_its_listing(publish: Publish, root: Path, wget: str, run: Run, here: Path) -> None:
    """Without pages of its own a directory is a page of links, which lead to everything in it."""
    files = {name: content for name, content in SITE.items() if not name.endswith(".html")}
    for name, content in files.items():
        write(root / name, content)
    site = publish(root, "--listing")
    run(wget, "-nv", "-r", "-np", "-l", "inf", "-nH", "-R", "index.html*", f"{site.url}/", status=_NO_ROBOTS)
    assert contents(here) == files


def test_9110_14_2_wget_resumes(site: Relay, wget: str, run: Run, here: Path) -> None:
    (here / "data.bin").write_bytes(SITE["data.bin"][:500_000])
    run(wget, "-nv", "-c", f"{site.url}/data.bin")
    assert (here / "data.bin").read_bytes() == SITE["data.bin"]
    assert site.one().part == (500_000, (1 << 20) - 1)


def test_9110_15_5_17_wget_resumes_what_is_whole(site: Relay, wget: str, run: Run, here: Path) -> None:
    (here / "data.bin").write_bytes(SITE["data.bin"])
    run(wget, "-nv", "-c", f"{site.url}/data.bin")
    assert (here / "data.bin").read_bytes() == SITE["data.bin"]
    assert (site.one().status, site.one().head["content-range"]) == (416, "bytes */1048576")


# aria2c.


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with one large file."""
    folder = tmp_path_factory.mktemp("large")
    write(folder / "large.bin", random.Random(3).randbytes(LARGE_BYTES))
    yield folder
    (folder / "large.bin").unlink()


def _asked(one: Exchange) -> tuple[int, int]:
    """First and last byte of the range that was asked for."""
    first, _, last = one.request["range"].removeprefix("bytes=").partition("-")
    return int(first), int(last or LARGE_BYTES - 1)


def test_9110_14_2_aria2c_downloads_in_segments(
    publish: Publish, large: Path, aria2c: str, run: Run, here: Path
) -> None:
    """RFC 9110 14.3: the first answer says that ranges may be asked for; seven more connections do so."""
    site = publish(large)
    fair = "--max-overall-download-limit=32M"  # nobody is through before all have begun
    run(aria2c, "-q", "-x8", "-s8", "-k1M", "--file-allocation=none", fair, f"{site.url}/large.bin")
    assert (here / "large.bin").read_bytes() == (large / "large.bin").read_bytes()
    first, *others = site.passed()
    assert (first.status, first.head["accept-ranges"]) == (200, "bytes")
    assert len(others) >= 7
    assert [one.part for one in others] == [_asked(one) for one in others]
    assert site.connections >= 8
    assert first.received < LARGE_BYTES  # the others have the rest


def test_9110_14_2_aria2c_goes_on_where_it_was_stopped(
    publish: Publish, large: Path, aria2c: str, run: Run, here: Path, variables: dict[str, str]
) -> None:
    site = publish(large)
    words = (aria2c, "-q", "-x4", "-s4", "-k1M", "--file-allocation=none")
    slow = [*words, "--max-overall-download-limit=16M", f"{site.url}/large.bin"]
    with subprocess.Popen(slow, cwd=here, env=variables, stdin=subprocess.DEVNULL) as first:
        assert until(lambda: site.received > 8 << 20)
        first.send_signal(signal.SIGINT)
    assert (here / "large.bin.aria2").exists()
    assert site.received < LARGE_BYTES
    site.forget()
    run(*words, "-c", f"{site.url}/large.bin")
    assert (here / "large.bin").read_bytes() == (large / "large.bin").read_bytes()
    assert not (here / "large.bin.aria2").exists()
    others = [one for one in site.passed() if "range" in one.request]
    assert [one.part for one in others] == [_asked(one) for one in others] != []
    assert site.received < LARGE_BYTES - (4 << 20)


def test_9110_13_1_3_aria2c_asks_only_if_newer(site: Relay, aria2c: str, run: Run, here: Path) -> None:
    for _ in range(2):
        run(aria2c, "-q", "-R", "--conditional-get=true", "--allow-overwrite=true", f"{site.url}/data.bin")
    assert [one.status for one in site.passed()] == [200, 304]
    assert (here / "data.bin").read_bytes() == SITE["data.bin"]
