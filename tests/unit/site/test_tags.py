"""tags.py and variants.py: what an entity tag is made of (RFC 9110 8.8.1, 8.8.3), and when nothing is kept."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tuxpy.http import conditional
from tuxpy.model import FileFact, Request
from tuxpy.rules.policy import TAGS, Policy, Tag
from tuxpy.site import codings, compress, tags, variants
from tuxpy.site.errands import Errands, Later
from tuxpy.site.respond import UNSETTLED_S
from tuxpy.site.root import FileChanged
from tuxpy.site.site import Site, release
from tuxpy.site.trail import Trail

MODIFIED_S = 784111777
TEXT = b"".join(b"line %d\n" % n for n in range(2000))


def put(file: Path, content: bytes, modified_s: float = MODIFIED_S) -> Path:
    file.write_bytes(content)
    os.utime(file, (modified_s, modified_s))
    return file


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """How long ago everything was written, as it seems."""

    def later(seconds: float) -> None:
        now = time.time() + seconds
        monkeypatch.setattr(tags, "time", SimpleNamespace(time=lambda: now))

    later(1.0)
    return later


class Seen:
    """A site over one directory, and facts of its files."""

    def __init__(self, root: Path, tag: Tag = "content", errands: Errands[str] | None = None) -> None:
        self.site = Site(str(root), policy=Policy(tag=tag), errands=errands)

    def __enter__(self) -> Seen:
        return self

    def __exit__(self, *_: object) -> None:
        self.site.close()

    def file(self, name: str) -> FileFact:
        found = self.site.open(name.encode())
        assert isinstance(found, FileFact)
        return found

    def tag(self, name: str) -> bytes:
        file = self.file(name)
        try:
            return tags.etag(file, self.site)
        finally:
            release(file)

    def modified_s(self, name: str) -> int | None:
        file = self.file(name)
        release(file)
        return tags.modified_s(file, self.site)


# What a tag is made of.


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("size", [0, 1, 4096, 4097, 3 << 20])
def test_8_8_3_a_tag_is_strong_and_has_the_grammar_of_one(tmp_path: Path, clock: object, tag: Tag, size: int) -> None:
    put(tmp_path / "a", bytes(size))
    with Seen(tmp_path, tag) as seen:
        made = seen.tag("a")
        assert made == seen.tag("a")
        request = Request(b"GET", b"/a", b"1.1", ((b"if-none-match", made),))
        assert conditional.evaluate(request, made, None)[0] == 304
        assert not made.startswith(b"W/")


@pytest.mark.parametrize(
    ("tag", "changes"),
    [
        ("file", {"content": False, "time": True, "inode": True}),
        ("time", {"content": False, "time": True, "inode": False}),
        ("content", {"content": True, "time": False, "inode": False}),
    ],
)
@pytest.mark.parametrize("size", [5, 5000], ids=["small", "large"])
def test_8_8_3_what_changes_a_tag(tmp_path: Path, clock: object, tag: Tag, changes: dict[str, bool], size: int) -> None:
    """`content`: other bytes of the same size at the same time, in place. A longer file has another tag in any case."""
    with Seen(tmp_path, tag) as seen:
        put(tmp_path / "a", b"a" * size)
        before = seen.tag("a")
        put(tmp_path / "a", b"b" * size)
        assert (seen.tag("a") != before) is changes["content"]
        put(tmp_path / "a", b"a" * size, MODIFIED_S + 1)
        assert (seen.tag("a") != before) is changes["time"]
        put(tmp_path / "b", b"a" * size).replace(tmp_path / "a")
        assert (seen.tag("a") != before) is changes["inode"]
        put(tmp_path / "a", b"a" * size + b"a")
        assert seen.tag("a") != before


@pytest.mark.parametrize("seconds", [0, -1, 1, tags.NO_TIME_BEFORE_S - 1])
def test_8_8_1_a_time_that_says_nothing_makes_no_tag(tmp_path: Path, clock: object, seconds: int) -> None:
    """Two versions of a reproducible build have one time, and may have one size."""
    with Seen(tmp_path, "time") as seen:
        put(tmp_path / "a", b"one", seconds)
        put(tmp_path / "b", b"two", seconds)
        put(tmp_path / "c", b"one", seconds)
        assert seen.tag("a") != seen.tag("b")
        assert seen.tag("a") == seen.tag("c")


def test_8_8_1_the_least_part_of_a_second_counts(tmp_path: Path, clock: object) -> None:
    put(tmp_path / "a", b"one")
    os.utime(tmp_path / "a", ns=(0, MODIFIED_S * 10**9 + 1))
    with Seen(tmp_path, "time") as seen:
        before = seen.tag("a")
        os.utime(tmp_path / "a", ns=(0, MODIFIED_S * 10**9 + 2))
        assert seen.tag("a") != before


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, False), (-1, False), (tags.NO_TIME_BEFORE_S - 1, False), (tags.NO_TIME_BEFORE_S, True), (MODIFIED_S, True)],
)
def test_8_8_2_1_dates_that_are_told(tmp_path: Path, tag: Tag, seconds: int, told: bool) -> None:
    put(tmp_path / "a", b"", seconds)
    with Seen(tmp_path, tag) as seen:
        assert seen.modified_s("a") == (seconds if told and tag != "content" else None)


def test_8_8_2_1_the_bound_is_the_second_day_that_zip_can_say() -> None:
    assert time.gmtime(tags.NO_TIME_BEFORE_S)[:6] == (1980, 1, 2, 0, 0, 0)


# Digests that are remembered.


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The names of files that were read to the end, in their order."""
    names: list[bytes] = []
    really = tags._read

    def counted(file: FileFact) -> bytes:
        names.append(file.path)
        return really(file)

    monkeypatch.setattr(tags, "_read", counted)
    return names


@pytest.mark.parametrize("size", [5, 5000], ids=["small", "large"])
def test_a_version_is_read_once(tmp_path: Path, clock: object, read: list[bytes], size: int) -> None:
    put(tmp_path / "a", b"a" * size)
    with Seen(tmp_path) as seen, Seen(tmp_path) as other:
        assert len({seen.tag("a"), seen.tag("a"), other.tag("a")}) == 1
        assert read == [b"a"]
        os.utime(tmp_path / "a", (0, 0))
        seen.tag("a")
        assert read == [b"a", b"a"]


@pytest.mark.parametrize("size", [5, 5000], ids=["small", "large"])
def test_8_8_1_a_version_that_was_written_just_now_is_read_again_when_it_is_settled(
    tmp_path: Path, clock: Callable[[float], None], read: list[bytes], size: int
) -> None:
    """Another write in the same tick leaves all facts as they are; until then what was read is good enough, since such
    an answer is not kept."""
    put(tmp_path / "a", b"a" * size)
    with Seen(tmp_path) as seen:
        clock(0.0)
        before = seen.tag("a")
        assert seen.tag("a") == before
        assert read == [b"a"]
        clock(UNSETTLED_S * 2)
        assert {seen.tag("a") for _ in range(3)} == {before}
        assert read == [b"a", b"a"]


def test_a_large_file_is_read_elsewhere_and_a_small_one_here(tmp_path: Path, clock: object) -> None:
    put(tmp_path / "small", bytes(4096))
    put(tmp_path / "large", bytes(4097))
    with Seen(tmp_path, errands=Errands(1)) as seen:
        seen.tag("small")
        with pytest.raises(Later) as later:
            seen.tag("large")
        assert later.value.work() is not None


@pytest.mark.parametrize("change", ["grow", "shrink", "rewrite", "replace", "delete"])
def test_a_file_that_changes_before_it_is_read_elsewhere_is_seen_to_have_changed(
    tmp_path: Path, clock: object, change: str
) -> None:
    file = put(tmp_path / "a", bytes(5000))
    with Seen(tmp_path, errands=Errands(1)) as seen:
        with pytest.raises(Later) as later:
            seen.tag("a")
        if change == "delete":
            file.unlink()
        elif change == "replace":
            put(tmp_path / "b", bytes(5000)).replace(file)
        else:
            put(file, bytes({"grow": 5001, "shrink": 4999, "rewrite": 5000}[change]), MODIFIED_S + 1)
        with pytest.raises(FileChanged):
            later.value.work()


@pytest.mark.parametrize("size", [4, 6])
def test_a_digest_is_of_the_version_or_none(tmp_path: Path, clock: object, size: int) -> None:
    put(tmp_path / "a", b"12345")
    with Seen(tmp_path) as seen:
        file = seen.file("a")
        try:
            with pytest.raises(FileChanged):
                tags._read(replace(file, size=size))
            with pytest.raises(FileChanged):
                tags._read(replace(file, mtime_ns=1))
        finally:
            release(file)


def test_only_so_many_versions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "_KEPT_MAX", 2)
    files = [FileFact(-1, b"a", 1, number, 0, 0, 0, 0) for number in range(3)]
    digests = tags.Digests()
    for file in files[:2]:
        digests.put(file, tags._Digest(b"%d" % file.ino, True))
    assert digests.get(files[0]) == b"0"
    digests.put(files[2], tags._Digest(b"2", True))
    assert [digests.get(file) for file in files] == [b"0", None, b"2"], "what was used longest ago goes first"


# Forms beside a file, and forms made here.


@pytest.mark.parametrize("tag", TAGS)
def test_8_8_3_3_forms_have_their_own_tags(tmp_path: Path, clock: object, tag: Tag) -> None:
    """Also where time and size are the same."""
    bodies = {"a.css": b"plain", "a.css.gz": b"gz...", "a.css.br": b"br...", "a.css.zst": b"zst.."}
    for name, body in bodies.items():
        put(tmp_path / name, body)
    made = set()
    with Seen(tmp_path, tag) as seen:
        for value in (b"identity", b"gzip, identity;q=0", b"br, identity;q=0", b"zstd, identity;q=0"):
            file = seen.file("a.css")
            request = Request(b"GET", b"/a.css", b"1.1", ((b"accept-encoding", value),))
            variant = variants.choose(request, file, seen.site, b"text/css", Trail([]))
            assert variant is not None
            made.add(variant.etag)
            for one in {file, variant.file or file}:
                release(one)
    assert len(made) == 4


def test_8_8_3_3_what_is_made_here_never_has_the_tag_of_what_lies_beside(tmp_path: Path, clock: object) -> None:
    """A precompressed file that comes or goes is another representation, whatever its time and size."""
    put(tmp_path / "a.css", TEXT)
    with Seen(tmp_path, "time") as seen:
        file = seen.file("a.css")
        here = compress.variant_etag(tags.etag(file, seen.site), b"gzip")
        beside = tags.etag_beside(file, b"gzip", seen.site)
        release(file)
    assert here != beside


def test_a_body_is_made_once_and_only_when_it_is_settled(
    tmp_path: Path, clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 9110 8.8.1: a body of a moment would be sent under the tag of what came after it."""
    made: list[bytes] = []
    encode = compress.encode

    def counted(coding: bytes, body: bytes) -> bytes:
        made.append(body)
        return encode(coding, body)

    monkeypatch.setattr(compress, "encode", counted)
    for size in (4000, 5000):
        put(tmp_path / "a", TEXT[:size])
        with Seen(tmp_path) as seen:
            file = seen.file("a")
            try:
                for age, wanted in ((0.0, 2), (1.0, 1)):
                    clock(age)
                    made.clear()
                    bodies = {codings.coded(file, b"gzip", seen.site).content for _ in range(2)}
                    assert [gzip.decompress(body) for body in bodies] == [TEXT[:size]]
                    assert len(made) == wanted
            finally:
                release(file)


def test_a_failure_while_siblings_are_opened_closes_them(tmp_path: Path, clock: object) -> None:
    """No descriptor is left: the fixture that counts them is the assertion."""
    put(tmp_path / "a.css", TEXT)
    put(tmp_path / "a.css.br", b"br")
    with Seen(tmp_path) as seen:
        beneath = seen.site.open_beneath

        def short(root_fd: int, path: bytes) -> int:
            if path.endswith(b".gz"):
                raise OSError(24, "too many open files", path)
            return beneath(root_fd, path)

        seen.site.open_beneath = short
        file = seen.file("a.css")
        request = Request(b"GET", b"/a.css", b"1.1", ((b"accept-encoding", b"br, gzip"),))
        try:
            with pytest.raises(OSError, match="too many open files"):
                variants.choose(request, file, seen.site, b"text/css", Trail([]))
        finally:
            release(file)
