"""Work on a thread of its own: what does not answer is given up, what takes its time is not."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
from support.poll import until

from tuxpy.base import time_limit as patience
from tuxpy.base.time_limit import Attempt, in_time, looking_at
from tuxpy.errors import ConfigError


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "START_S", 0.1)


def test_what_is_given_up_is_thrown_away_when_it_comes() -> None:
    go_on, late = threading.Event(), list[str]()

    def work() -> str:
        with looking_at("/far"):
            go_on.wait()
        return "late"

    with pytest.raises(ConfigError, match="the file system of '/far' does not answer"):
        in_time(work, late.append)
    assert late == []
    go_on.set()
    assert until(lambda: late == ["late"])


def test_work_that_looks_at_nothing_for_long_is_never_given_up() -> None:
    """A machine that stands still may keep one look for too long; it does not do so each time."""
    pause, late = threading.Event(), list[str]()

    def work() -> str:
        for place in range(8):
            with looking_at(f"/{place}"), looking_at(f"/{place}/within"):
                pause.wait(0.02)
        pause.wait(0.3)
        return "done"

    def is_done() -> bool:
        late.clear()
        with suppress(ConfigError):
            return in_time(work, late.append) == "done" and late == []
        return False

    assert until(is_done)


def test_what_the_work_raises_is_raised() -> None:
    def work() -> None:
        with looking_at("/x"):
            raise ConfigError("no")

    with pytest.raises(ConfigError, match=r"^no$"):
        in_time(work)


def test_giving_up_what_is_over_throws_it_away_once() -> None:
    over, unwanted = threading.Event(), list[int]()
    attempt = Attempt(lambda: 1, over.set, unwanted.append)
    assert over.wait(10)
    attempt.give_up()
    attempt.give_up()
    assert unwanted == [1]


def test_a_machine_without_threads_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none)
    with pytest.raises(OSError, match="no thread left"):
        in_time(lambda: 1)
