"""A miss gets exactly one answer, whatever fails on the way to it, and wherever."""

from __future__ import annotations

import errno
import inspect
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tuxpy.config.settings import Config
from tuxpy.config.sites import SiteConfig
from tuxpy.engine.http_engine import Miss
from tuxpy.engine.native import lib
from tuxpy.engine.response import response_of
from tuxpy.errors import EngineError
from tuxpy.model import Answer
from tuxpy.serving import answering as answering_module
from tuxpy.serving.answering import Answering
from tuxpy.serving.generation import Generation, Generations
from tuxpy.site.errands import Later

HEAD = b"GET /f.txt HTTP/1.1\r\nHost: x\r\n\r\n"
# Functions that own a descriptor from their first line on: it would be lost between two hands.
HAND_OVER = ("represent", "respond", "_serve", "response_of", "must", "release")
READY = 0  # what a client gets to whom there is no answer


class Pretended:
    """An engine that takes answers as the real one does, and notes their status."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.refuses: list[Exception] = []

    def knock(self) -> None:
        """Nobody waits here."""

    def answer(self, _miss: Miss, answer: Answer | None, knock: bool = True) -> None:
        assert not knock
        if answer is None:
            self.statuses.append(READY)
            return
        response = response_of(answer)
        lib.tux_response_close(response)
        if self.refuses:
            raise self.refuses.pop(0)
        self.statuses.append(answer.status)


@pytest.fixture
def generations(tmp_path: Path) -> Iterator[Generations]:
    (tmp_path / "f.txt").write_bytes(b"f" * 100_000)  # sent from its descriptor
    kept = Generations()
    kept.adopt(Generation(0, Config(sites=(SiteConfig(str(tmp_path)),)), 1, lambda: None))
    yield kept
    kept.close()


def miss(head: bytes = HEAD) -> Miss:
    return Miss(0, 0, 3, 0, 0, head)


def answered(generations: Generations, head: bytes = HEAD, refuses: tuple[Exception, ...] = ()) -> list[int]:
    engine: Any = Pretended()
    engine.refuses = list(refuses)
    Answering(generations, lambda *_: None)(engine, miss(head))
    statuses: list[int] = engine.statuses
    return statuses


class Fails:
    """Raises `what` in the Nth call of a function of ours, from now on."""

    def __init__(self, nth: int, what: type[Exception]) -> None:
        self.left, self.what = nth, what

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if frame.f_code.co_name in HAND_OVER:
            return
        generator = frame.f_code.co_flags & inspect.CO_GENERATOR  # called also to be closed, where nobody could tell
        if event == "call" and "/tuxpy/" in frame.f_code.co_filename and not generator:
            self.left -= 1
            if self.left == 0:
                raise self.what


def where_it_fails(act: Callable[[], list[int]], what: type[Exception]) -> Iterator[tuple[int, list[int]]]:
    """Do it again and again, with the first call failing, then the second one, until nothing fails any more."""
    for nth in range(1, 10_000):
        fails = Fails(nth, what)
        sys.settrace(fails)
        try:
            statuses = act()
        finally:
            sys.settrace(None)
        if fails.left > 0:
            return
        yield nth, statuses
    raise AssertionError("it never ends")


@pytest.mark.parametrize(("what", "told"), [(MemoryError, READY), (ZeroDivisionError, 500)])
@pytest.mark.parametrize("head", [HEAD, HEAD.replace(b"GET", b"HEAD"), HEAD.replace(b"f.txt", b"no"), b"\0\r\n\r\n"])
def test_wherever_it_fails_there_is_one_answer(
    generations: Generations, caplog: pytest.LogCaptureFixture, what: type[Exception], told: int, head: bytes
) -> None:
    """RFC 9110 15.6: a server that cannot do it says so. Each call of a function fails in turn."""
    (right,) = answered(generations, head)
    engine: Any = Pretended()
    answer = Answering(generations, lambda *_: None)

    def act() -> list[int]:
        engine.statuses = []
        answer(engine, miss(head))
        return list(engine.statuses)

    seen: set[int] = set()
    for nth, statuses in where_it_fails(lambda: outside(act), what):
        assert len(statuses) == 1, f"{statuses} when call {nth} fails"
        seen.update(statuses)
    assert seen <= {right, told, READY, 500} and told in seen
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) <= 4, "one line for each kind"


def outside(act: Callable[[], list[int]]) -> list[int]:
    """The first frame is the caller's own: what fails before anything has begun is the loop's to try again."""
    try:
        return act()
    except (MemoryError, ZeroDivisionError):
        return act()


def test_what_the_engine_refuses_is_500_and_the_log_names_the_request(
    generations: Generations, caplog: pytest.LogCaptureFixture
) -> None:
    assert answered(generations, refuses=(EngineError("a chain has too much", errno.EINVAL),)) == [500]
    (said,) = caplog.messages
    assert "GET /f.txt HTTP/1.1" in said and "a chain has too much" in said and "report it" in said


def test_what_the_engine_refuses_twice_is_answered_by_what_lies_ready(
    generations: Generations, caplog: pytest.LogCaptureFixture
) -> None:
    refuses = (EngineError("one", errno.EINVAL), EngineError("two", errno.EINVAL))
    assert answered(generations, refuses=refuses) == [READY]


@pytest.mark.parametrize("failure", [MemoryError(), EngineError("x", errno.ENOMEM), OSError(errno.ENOMEM, "x")])
def test_no_memory_is_answered_by_what_lies_ready(
    generations: Generations, caplog: pytest.LogCaptureFixture, failure: Exception
) -> None:
    assert answered(generations, refuses=(failure,)) == [READY]
    assert ["no memory is left" in message for message in caplog.messages] == [True]


def test_rules_that_nobody_knows_are_no_end(generations: Generations, caplog: pytest.LogCaptureFixture) -> None:
    engine: Any = Pretended()
    Answering(generations, lambda *_: None)(engine, Miss(0, 0, 3, 0, 0, HEAD, rules=7))
    assert engine.statuses == [500]


def test_slow_work_that_cannot_be_put_off_is_answered(
    generations: Generations, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def later(*_: object) -> Answer:
        raise Later("key", lambda: None)

    def fails(*_: object) -> bool:
        raise MemoryError

    monkeypatch.setattr(answering_module, "judge_miss", later)
    assert generations.current is not None
    monkeypatch.setattr(generations.current.errands, "put_off", lambda _, asker, *__: [asker])
    assert answered(generations) == [503]
    monkeypatch.setattr(generations.current.errands, "put_off", fails)
    assert answered(generations) == [READY]
    monkeypatch.setattr(generations.current.errands, "put_off", lambda *_: [])
    assert answered(generations) == [], "it is not answered before the work is done"


def test_figures_that_fail_do_not_answer_twice(generations: Generations, caplog: pytest.LogCaptureFixture) -> None:
    def fails(*_: object) -> None:
        raise MemoryError

    engine: Any = Pretended()
    Answering(generations, fails)(engine, miss())
    assert engine.statuses == [200]
