"""Two threads, one engine: whoever sleeps keeps nobody from anything, and close() ends every sleep."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as futures_wait
from typing import Any

import pytest

from tuxpy import Chain, Completion, Engine, chain
from tuxpy.atoms import Reason

from .conftest import Open

LONG = 10**13  # nanoseconds: longer than any test
LIMIT = 30  # seconds: only what hangs takes so long


@chain
def null(c: Chain) -> None:
    c.getpid()


@chain
def dozing(c: Chain) -> None:
    c.nanosleep(c.param("ns"))


@chain
def reading(c: Chain) -> None:
    c.read(c.param("end"), c.buffer(1, "byte"), 1)


def thread_of(work: Callable[[], Any]) -> Future[Any]:
    """What it returns or raises, from a thread of its own."""
    future: Future[Any] = Future()

    def body() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=body, daemon=True).start()
    return future


def asleep(engine: Engine, sleepers: int = 1) -> None:
    """Return when so many threads sleep in this engine: one leads, the others are called by it."""
    waiting = engine._runs.waiting
    done = threading.Event()
    for _ in range(LIMIT * 200):
        with waiting.lock:
            if waiting._leader and len(waiting._called._waiters) == sleepers - 1:  # type: ignore[attr-defined]
                return
        done.wait(0.005)
    raise AssertionError("nobody sleeps")


def mapping(engine: Engine, end: int) -> list[Completion]:
    return list(engine.map(reading, [{"end": end}]))


SLEEPERS: dict[str, Callable[[Engine, int], Any]] = {
    "wait": lambda engine, _: engine.wait(),
    "map": mapping,
    "run": lambda engine, end: engine.run(reading, end=end),
    "call": lambda engine, end: engine.call("read", end, 1),
    "run_many": lambda engine, end: engine.run_many(reading, end=[end]),
    "arun": lambda engine, end: asyncio.run(engine.arun(reading, end=end)),
}
ASKED: dict[str, Callable[[Engine], Any]] = {
    "submit": lambda engine: engine.submit(null),
    "submit_many": lambda engine: engine.submit_many(null, [{}] * 10),
    "call": lambda engine: engine.call("getpid"),
    "run": lambda engine: engine.run(null),
    "run_many": lambda engine: engine.run_many(dozing, ns=[1] * 5),
    "map": lambda engine: list(engine.map(dozing, [{"ns": 1}])),
    "wait": lambda engine: engine.wait(min=0),
    "cancel": lambda engine: engine.cancel(1),
    "arun": lambda engine: asyncio.run(engine.arun(dozing, ns=1)),
    "metrics": lambda engine: engine.metrics(),
    "trace": lambda engine: engine.trace(null),
}


@pytest.mark.parametrize("sleeper", [name for name in SLEEPERS if name != "arun"])
def test_a_thread_that_sleeps_keeps_no_other_from_anything(engine: Engine, sleeper: str, pipe: tuple[int, int]) -> None:
    sleeping = thread_of(lambda: SLEEPERS[sleeper](engine, pipe[0]))
    asleep(engine)
    for name, ask in ASKED.items():
        if sleeper == "wait" and name.startswith("submit"):
            continue  # that would wake it, see below
        thread_of(lambda ask=ask: ask(engine)).result(LIMIT)  # type: ignore[misc]
        assert not sleeping.done(), name
    if sleeper == "wait":
        cookie = thread_of(lambda: engine.submit(null)).result(LIMIT)
        assert [one.cookie for one in sleeping.result(LIMIT)] == [cookie]
    else:
        os.write(pipe[1], b"x")
        assert sleeping.result(LIMIT)


def test_many_that_sleep_get_what_is_theirs(engine: Engine) -> None:
    pipes = [os.pipe() for _ in range(5)]
    try:
        sleeping = [thread_of(lambda end=end: engine.call("read", end, 1)) for end, _ in pipes]  # type: ignore[misc]
        asleep(engine, 5)
        for number, (_, end) in reversed(list(enumerate(pipes))):
            os.write(end, bytes([number]))
            assert sleeping[number].result(LIMIT) == bytes([number])
    finally:
        for one in pipes:
            os.close(one[0])
            os.close(one[1])


def test_two_who_wait_for_one_completion_each_get_one(engine: Engine) -> None:
    sleeping = [thread_of(engine.wait) for _ in range(2)]
    asleep(engine, 2)
    cookies = {engine.submit(null)}
    futures_wait(sleeping, LIMIT, "FIRST_COMPLETED")
    cookies.add(engine.submit(null))
    assert {one.cookie for future in sleeping for one in future.result(LIMIT)} == cookies


@pytest.mark.parametrize("sleeper", SLEEPERS)
def test_close_ends_every_sleep(open_engine: Open, sleeper: str, pipe: tuple[int, int]) -> None:
    engine = open_engine()
    sleeping = thread_of(lambda: SLEEPERS[sleeper](engine, pipe[0]))
    if sleeper == "arun":
        while engine.metrics()["runs"] == 0:
            assert not sleeping.done()
    else:
        asleep(engine)
    closers = [thread_of(engine.close) for _ in range(3)]
    for one in closers:
        one.result(LIMIT)
    if sleeper in ("run", "arun"):
        assert sleeping.result(LIMIT).reason is Reason.CANCELLED
    elif sleeper == "call":
        assert isinstance(sleeping.exception(LIMIT), OSError)
    else:
        with pytest.raises(ValueError, match="the engine is closed"):
            sleeping.result(LIMIT)
    with pytest.raises(ValueError, match="the engine is closed"):
        engine.submit(null)


def test_a_coroutine_that_is_gone_harms_nobody(engine: Engine, pipe: tuple[int, int]) -> None:
    """Its event loop is closed when its completion comes, among others in the same batch."""

    async def leaves() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(engine.arun(reading, end=pipe[0]), 0.001)

    others = [thread_of(lambda: engine.run(reading, end=pipe[0]).ok) for _ in range(3)]
    asleep(engine, 3)
    for _ in range(5):
        thread_of(lambda: asyncio.run(leaves())).result(LIMIT)
    assert engine.run(dozing, ns=1).ok
    os.write(pipe[1], b"xxx")
    assert [one.result(LIMIT) for one in others] == [True] * 3


def test_a_waiter_that_raises_loses_nothing_behind_it(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever gathers delivers to all: a fault of one is told in the log, and stops nothing."""
    runs = engine._runs

    def refuses(_: Completion) -> None:
        raise RuntimeError("not now")

    gone = runs.begin(dozing, {"ns": [1]}, 1, None, True, None, 0, refuses)
    cookies = engine.submit_many(dozing, ns=[1] * 9)
    found: list[Completion] = []
    while len(found) < 9:
        found += engine.wait(timeout=LIMIT)
    assert sorted(one.cookie for one in found) == list(cookies)
    while str(gone[0]) not in caplog.text:
        engine.wait(min=1, timeout=0.01)


def test_signal_handlers_may_use_the_engine_that_they_interrupt(engine: Engine, pipe: tuple[int, int]) -> None:
    """The main thread sleeps; its handler makes a call of its own, which sleeps too, and then ends the first sleep."""
    seen: list[int] = []

    def handler(*_: object) -> None:
        seen.append(engine.run(dozing, ns=1_000_000).result)
        os.write(pipe[1], b"x")

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        thread_of(lambda: (asleep(engine), os.kill(os.getpid(), signal.SIGUSR1)))
        assert engine.call("read", pipe[0], 1) == b"x"
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == [0]


def test_a_signal_handler_may_close_the_engine(open_engine: Open) -> None:
    engine = open_engine()
    before = signal.signal(signal.SIGUSR1, lambda *_: engine.close())
    try:
        thread_of(lambda: (asleep(engine), os.kill(os.getpid(), signal.SIGUSR1)))
        with pytest.raises(ValueError, match="the engine is closed"):
            engine.wait()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_sleeping_inside_a_step_of_the_same_thread_is_refused(engine: Engine) -> None:
    with engine._runs.waiting.lock, pytest.raises(RuntimeError, match="has interrupted a call of this engine"):
        engine.wait()
