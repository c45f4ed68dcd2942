"""The judge: a head in, an answer out, whatever happens in between."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest

from tuxpy.engine.http_engine import HEAD_TIMEOUT, HEAD_TOO_LONG, Miss
from tuxpy.model import Answer
from tuxpy.site.judge import judge_head, judge_miss
from tuxpy.site.opener import opener
from tuxpy.site.site import Site

HEAD = b"GET /f.txt HTTP/1.1\r\nHost: x\r\n\r\n"


def _miss(head: bytes = HEAD, flags: int = 0) -> Miss:
    return Miss(0, 0, 3, 0, flags, head)


def _bytes(answer: Answer) -> bytes:
    return b"".join(cell.content for cell in answer.chain.cells)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "f.txt").write_bytes(b"first")
    return Site(str(tmp_path), opener())


def test_9110_8_8_3_a_file_that_changes_meanwhile_is_judged_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tag, length and content are all of what was read."""
    pread, changes = os.pread, [b"second", b"third one"]

    def changing(fd: int, count: int, offset: int) -> bytes:
        if changes:
            (tmp_path / "f.txt").write_bytes(changes.pop())
        return pread(fd, count, offset)

    monkeypatch.setattr(os, "pread", changing)
    with site:
        _, _, answer = judge_head(site, HEAD, 1e9)
    assert answer.status == 200
    assert _bytes(answer).endswith(b"Content-Length: 6\r\n\r\nsecond")


def test_9110_15_6_4_a_file_that_never_holds_still_is_503_and_not_kept(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pread = os.pread

    def changing(fd: int, count: int, offset: int) -> bytes:
        with (tmp_path / "f.txt").open("ab") as file:
            file.write(b"x")
        return pread(fd, count, offset)

    monkeypatch.setattr(os, "pread", changing)
    with site:
        answer = judge_miss(site, _miss(), 1e9)
    assert (answer.status, answer.cacheable) == (503, False)
    assert b"ETag" not in _bytes(answer)


@pytest.mark.parametrize(("flags", "status"), [(HEAD_TIMEOUT, 408), (HEAD_TOO_LONG, 431)])
def test_9110_15_5_what_the_engine_marked_is_refused(site: Site, flags: int, status: int) -> None:
    with site:
        answer = judge_miss(site, _miss(flags=flags), 1e9)
    assert (answer.status, answer.keep, answer.cacheable) == (status, False, False)


@pytest.mark.parametrize(
    ("error", "status", "level"),
    [
        (OSError(errno.EIO, "a broken disk"), 500, logging.ERROR),
        (OSError(errno.EMFILE, "too many"), 503, logging.WARNING),
        (KeyError("a fault of ours"), 500, logging.ERROR),
    ],
)
def test_9110_15_6_1_a_failure_is_an_answer_too(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    error: Exception, status: int, level: int,
) -> None:
    """It is never kept, it closes the connection, and the log says what happened."""

    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(site, "open", broken)
    with site:
        answer = judge_miss(site, _miss(), 1e9)
    assert (answer.status, answer.keep, answer.cacheable) == (status, False, False)
    assert [record.levelno for record in caplog.records] == [level]
