"""rclone over the pages of a listing: trees with unusual names, times, parts of files."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from support.webroot import MODIFIED, MODIFIED_S, write

from .fixtures import Done, Publish, Run
from .programs import MARKS, program
from .relay import Relay

pytestmark = MARKS

FILES: Final = {
    "plain.txt": b"plain\n",
    "two words.txt": b"a blank\n",
    "größe/Ärger und Öl.txt": b"umlauts\n",
    "100%.txt": b"percent\n",
    "%41%2F.txt": b"what looks like an escape\n",
    "a+b=c&d.txt": b"plus, equals, ampersand\n",
    "it's, (so); [it] is!.txt": b"marks\n",
    "said \"so\" <b>.txt": b"quotes and angles\n",
    "#1.txt": b"number sign\n",
    "日本語/😀.txt": b"beyond\n",
    "-dash-/~tilde.txt": b"tilde\n",
    "a:b.txt": b"colon\n",
    "deep/er/and/deeper/empty.txt": b"",
    "large.bin": random.Random(1).randbytes(3 << 20),
}
HIDDEN: Final = (".env", ".git/config", "plain.txt~")


@pytest.fixture
def site(root: Path, publish: Publish) -> Relay:
    for name, content in FILES.items():
        write(root / name, content)
    for name in HIDDEN:
        write(root / name, b"nobody may read this")
    return publish(root, "--listing")


def _rclone(run: Run, site: Relay, home: Path, *words: str) -> Done:
    quiet = ("--config", str(home / "rclone.conf"), "--http-url", f"{site.url}/", "--retries", "1")
    return run(program("rclone", package="rclone"), *quiet, *words)


def test_a_tree_is_copied_with_its_times(site: Relay, run: Run, here: Path, home: Path) -> None:
    _rclone(run, site, home, "copy", ":http:", "out")
    found = {str(path.relative_to(here / "out")): path for path in (here / "out").rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == FILES
    assert {path.stat().st_mtime for path in found.values()} == {MODIFIED_S}
    assert {one.status for one in site.passed()} == {200}


def test_9110_9_3_2_what_is_there_already_is_only_asked_about(site: Relay, run: Run, here: Path, home: Path) -> None:
    """Sizes and times come from HEAD; of the files only the one that differs is fetched."""
    _rclone(run, site, home, "copy", ":http:", "out")
    site.forget()
    (here / "out" / "plain.txt").write_bytes(b"changed\n")
    _rclone(run, site, home, "sync", ":http:", "out")
    fetched = [one for one in site.passed(method="GET") if not one.target.endswith("/")]
    assert [one.target for one in fetched] == ["/plain.txt"]
    heads = [one for one in site.passed(method="HEAD") if not one.target.endswith("/")]
    assert len(heads) == len(FILES)
    assert {one.head["last-modified"] for one in heads} == {MODIFIED.decode()}


def test_sizes_as_they_are_listed(site: Relay, run: Run, home: Path) -> None:
    lines = _rclone(run, site, home, "lsf", "-R", "--files-only", "--format", "sp", "--separator", "|", ":http:").out
    found = {name: int(size) for size, _, name in (line.partition("|") for line in lines.splitlines())}
    assert found == {name: len(content) for name, content in FILES.items()}


def test_9110_14_2_a_part_of_a_file(site: Relay, run: Run, here: Path, home: Path) -> None:
    done = _rclone(run, site, home, "cat", "--offset", "1000000", "--count", "500", ":http:large.bin")
    assert done.out == FILES["large.bin"][1_000_000:1_000_500].decode(errors="replace")
    (one,) = site.passed("/large.bin", "GET")
    assert one.status == 206
    assert one.part[0] == 1_000_000


def test_9110_14_2_a_file_by_several_streams(site: Relay, run: Run, here: Path, home: Path) -> None:
    many = ("--multi-thread-streams", "4", "--multi-thread-cutoff", "1M")
    _rclone(run, site, home, "copyto", *many, ":http:large.bin", "out.bin")
    assert (here / "out.bin").read_bytes() == FILES["large.bin"]
    asked = site.passed("/large.bin", "GET")
    assert {one.status for one in asked} == {206}
    assert len(asked) > 1
    parts = sorted(one.part for one in asked)
    assert [parts[0][0], parts[-1][1]] == [0, (3 << 20) - 1]
    assert all(after[0] == before[1] + 1 for before, after in pairwise(parts))
