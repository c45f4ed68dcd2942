"""Chains submitted from Python: what comes back, in which order it may come, and what is never lost."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import select
import selectors
import threading
import time
from pathlib import Path
from struct import pack

import pytest
from support.poll import until

from tuxpy import AT_FDCWD, Chain, Engine, chain
from tuxpy.atoms import Frozen, Reason, flags

from .conftest import Open

HOW = pack("=QQQ", os.O_RDONLY | os.O_CLOEXEC, 0, 0)


def reading(manner: int = 0) -> Frozen:
    """Open, read, close."""
    c = Chain("reading")
    file, room, size = c.fd("file"), c.buffer(4096, "content"), c.int("size")
    c.openat2(AT_FDCWD, c.path("path"), c.data(HOW, "how"), 24, ret=file, stop_on="negative", flags=manner)
    c.read(file, room, 4096, ret=size, stop_on="negative", flags=manner)
    c.close(file)
    return c.freeze()


READING = reading()
READING_ASYNC = reading(flags.ASYNC)


@chain
def sleeping(c: Chain) -> None:
    c.nanosleep(c.param("ns"), ret=c.int("slept"))
    c.umem_add(c.int("n", 5), 1)


# What comes back.


@pytest.mark.parametrize("frozen", [READING, READING_ASYNC], ids=["at once", "by a worker"])
def test_a_completion_has_the_cells_and_buffers(engine: Engine, files: list[Path], frozen: Frozen) -> None:
    ended = engine.run(frozen, path=files[3])
    assert (ended.ok, ended.result, ended.steps, ended.label) == (True, 0, 3, "close")
    assert ended["size"] == 1600
    assert ended.memory("content", 1600) == ended["content"][:1600] == bytes([3]) * 1600  # type: ignore[index]
    assert set(ended) == {cell.name for cell in frozen.cells}
    assert ended.cells["file"] == -1
    engine.close()
    assert ended.memory("content", 2) == b"\3\3"


@pytest.mark.parametrize("frozen", [READING, READING_ASYNC], ids=["at once", "by a worker"])
def test_a_failure_says_where(engine: Engine, tmp_path: Path, frozen: Frozen) -> None:
    ended = engine.run(frozen, path=tmp_path / "absent")
    assert (ended.ok, ended.result, ended.reason, ended.label) == (False, -errno.ENOENT, Reason.STOP, "openat2")
    with pytest.raises(FileNotFoundError, match="atom openat2 of chain reading"):
        ended.check()


@pytest.mark.parametrize("frozen", [READING, READING_ASYNC], ids=["at once", "by a worker"])
def test_a_descriptor_can_outlive_its_run(engine: Engine, files: list[Path], frozen: Frozen) -> None:
    c = Chain("opening")
    c.openat2(AT_FDCWD, c.path("path"), c.data(HOW), 24, ret=c.fd("file"), flags=frozen.atoms[0].flags & flags.ASYNC)
    opening = c.freeze()
    ended = engine.run(opening, path=files[1], fd="file")
    fd = ended.take_fd()
    assert os.pread(fd, 3, 0) == b"\1\1\1"
    assert ended.take_fd() == -1
    os.close(fd)
    assert engine.run(opening, path=files[1])["file"] == -1
    lost = engine.run(opening, path=files[1], fd="file")["file"]
    gc.collect()
    with pytest.raises(OSError):  # nobody took it, so it went with its completion
        os.fstat(int(lost))


def test_a_descriptor_can_be_given_away(engine: Engine, files: list[Path]) -> None:
    c = Chain("given")
    c.read(c.fd("file", param=True), c.buffer(10, "room"), 10)
    given = c.freeze()
    fd = os.open(files[2], os.O_RDONLY)
    assert engine.run(given, file=fd)["room"] == b"\2" * 10
    with pytest.raises(OSError):
        os.fstat(fd)


def test_cells_that_nobody_wants_are_not_kept(engine: Engine, files: list[Path]) -> None:
    engine.submit(READING, path=files[0], keep=False)
    (ended,) = engine.wait()
    assert ended.ok
    with pytest.raises(LookupError, match="were not kept"):
        ended["size"]


def test_params_must_be_those_of_the_chain(engine: Engine) -> None:
    with pytest.raises(TypeError, match="the param ns is missing"):
        engine.submit(sleeping)
    with pytest.raises(TypeError, match="chain sleeping: there is no n to give"):
        engine.submit(sleeping, ns=1, n=2)
    with pytest.raises(ValueError, match="256 bytes for path, which has room for 255"):
        engine.submit(READING, path="x" * 256)
    assert engine.wait(timeout=0) == []


def test_data_that_is_given_is_the_run_s_own(engine: Engine) -> None:
    c = Chain("echo")
    c.write(c.param("to"), c.data(b"as written", "text"), 10)
    echo = c.freeze()
    here, there = os.pipe()
    for text in (None, b"as given", b"0123456789"):
        engine.run(echo, to=there, **({} if text is None else {"text": text})).check()
        assert os.read(here, 100) == (b"as written" if text is None else text.ljust(10, b"\0"))
    os.close(here)
    os.close(there)


# Many.


@pytest.mark.parametrize("frozen", [READING, READING_ASYNC], ids=["at once", "by workers"])
@pytest.mark.parametrize("away", [False, True], ids=["shared", "away"])
def test_many_runs_each_in_its_own_memory(engine: Engine, files: list[Path], frozen: Frozen, away: bool) -> None:
    cookies = engine.submit_many(frozen, [{"path": path} for path in files], away=away)
    ended = engine.wait(min=len(files))
    assert sorted(one.cookie for one in ended) == list(cookies)
    for one in ended:
        n = one.cookie - cookies[0]
        assert one.memory("content", one["size"]) == files[n].read_bytes()  # type: ignore[arg-type]
    metrics = engine.metrics()
    assert metrics["visits"] + metrics["submitted"] == len(files)


def test_a_full_ring_refuses_and_loses_nothing(engine: Engine) -> None:
    engine.submit_many(sleeping, [{"ns": 10**12}] * 60)
    for refused in range(2):
        with pytest.raises(OSError) as full:
            engine.submit_many(sleeping, [{"ns": 0}] * 5)
        assert full.value.errno == errno.ENOBUFS
        assert engine.metrics()["refused"] == 5 * (refused + 1)
    engine.submit_many(sleeping, [{"ns": 1}] * 4)
    assert {one.reason for one in engine.wait(min=4)} == {Reason.END}


def test_map_gives_everything_with_little_under_way(engine: Engine, files: list[Path]) -> None:
    rows = [{"path": files[n % 20]} for n in range(500)]
    found = [one["size"] for one in engine.map(READING, rows, ahead=30)]
    assert sorted(found) == sorted(100 * (19 - n % 20) for n in range(500))  # type: ignore[type-var]


def test_map_says_which_row_each_is_of(engine: Engine, files: list[Path]) -> None:
    rows = [{"path": files[n % 20]} for n in range(100)]
    found = {one.index: one for one in engine.map(READING, iter(rows), ahead=7)}
    assert sorted(found) == list(range(100))
    assert all(found[n].row is row and found[n]["size"] == 100 * (19 - n % 20) for n, row in enumerate(rows))


def test_only_map_knows_rows(engine: Engine) -> None:
    one = engine.run(sleeping, ns=0)
    for ask in (lambda: one.index, lambda: one.row):
        with pytest.raises(LookupError, match="only the completions of map"):
            ask()


def test_map_leaves_other_runs_to_wait(engine: Engine, files: list[Path]) -> None:
    cookie = engine.submit(sleeping, ns=1)
    assert len(list(engine.map(READING, [{"path": path} for path in files]))) == 20
    assert [one.cookie for one in engine.wait()] == [cookie]


def test_whoever_stops_listening_to_a_map_cancels_the_rest(engine: Engine) -> None:
    for _ in engine.map(sleeping, [{"ns": 1}] + [{"ns": 10**13}] * 30, ahead=31):
        break
    assert {one.reason for one in engine.wait(min=30)} == {Reason.CANCELLED}


# Ends.


def test_cancel_ends_what_lives(engine: Engine) -> None:
    first, second = engine.submit(sleeping, ns=10**12), engine.submit(sleeping, ns=10**12)
    engine.cancel(second)
    (ended,) = engine.wait()
    assert (ended.cookie, ended.reason) == (second, Reason.CANCELLED)
    with pytest.raises(OSError) as cancelled:
        ended.check()
    assert cancelled.value.errno == errno.ECANCELED
    engine.cancel(first)
    assert engine.wait()[0].cookie == first
    engine.cancel(first)  # nobody by that name any more
    assert engine.wait(timeout=0.01) == []


def test_a_submission_and_its_cancel_keep_their_order(engine: Engine) -> None:
    for _ in range(50):
        engine.cancel(engine.submit(sleeping, ns=10**12, away=True))
    assert {one.reason for one in engine.wait(min=50)} == {Reason.CANCELLED}


def test_a_deadline_ends_what_lives(engine: Engine) -> None:
    engine.submit(sleeping, ns=10**12, deadline=0.01)
    (ended,) = engine.wait()
    assert ended.reason is Reason.DEADLINE
    with pytest.raises(TimeoutError):
        ended.check()


def test_loops_on_the_submitters_thread_are_cut_off(engine: Engine) -> None:
    c = Chain("loop", budget=100_000)
    c.umem_add(c.int("n"), 1, label="again", next="again")
    ended = engine.run(c.freeze())
    assert (ended.reason, ended.steps, ended["n"]) == (Reason.BUDGET, 100_000, 100_000)
    assert engine.metrics()["visits"] == 0  # it went on elsewhere


def test_a_deadline_holds_for_a_loop(engine: Engine) -> None:
    c = Chain("loop", budget=(1 << 32) - 1)
    c.umem_add(c.int("n"), 1, label="again", next="again")
    with pytest.raises(TimeoutError):
        engine.run(c.freeze(), timeout=0.02).check()


def test_closing_ends_what_lives(open_engine: Open) -> None:
    engine = open_engine()
    engine.submit_many(sleeping, [{"ns": 10**12}] * 20)
    ended: list[Reason] = []
    waiting = threading.Thread(target=lambda: ended.append(Reason(engine.run(sleeping, ns=10**12).reason)))
    waiting.start()
    assert until(lambda: engine.metrics()["runs"] == 21)
    engine.close()
    waiting.join()
    assert ended == [Reason.CANCELLED]


# Waiting.


def test_wait_waits_for_so_many_or_so_long(engine: Engine) -> None:
    assert engine.wait(timeout=0) == []
    began = time.monotonic()
    assert engine.wait(timeout=0.03) == []
    assert time.monotonic() - began >= 0.03
    engine.submit_many(sleeping, [{"ns": n * 1_000_000} for n in range(1, 11)])
    assert len(engine.wait(min=10)) == 10


def test_the_descriptor_is_readable_while_completions_wait(engine: Engine) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(engine, selectors.EVENT_READ)
        assert selector.select(0) == []
        engine.submit(sleeping, ns=1000)  # by the engine
        assert selector.select(10)
        assert selector.select(0), "still, since nobody has taken it"
        assert len(engine.wait()) == 1
        assert selector.select(0) == []
        c = Chain("nothing")
        c.getpid()
        nothing = c.freeze()
        engine.submit(nothing)  # here
        assert selector.select(0)
        assert len(engine.wait()) == 1
        assert selector.select(0) == []
        engine.submit(sleeping, ns=1000)
        engine.call("nanosleep", 50_000_000)  # takes up what is not its own, too
        assert selector.select(0)
        assert len(engine.wait(timeout=0)) == 1
        assert selector.select(0) == []


def test_threads_each_get_their_own(engine: Engine, files: list[Path]) -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        for round_ in range(25):
            path = files[(number + round_) % 20]
            frozen = READING_ASYNC if round_ % 2 else READING
            ended = engine.run(frozen, path=path)
            if ended.memory("content", int(ended["size"])) != path.read_bytes():
                wrong.append(ended)
            if engine.call("nanosleep", 1000) != 0:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not wrong
    assert not any(thread.is_alive() for thread in threads)
    assert engine.wait(timeout=0) == []


# Coroutines.


def test_coroutines_wait_without_keeping_the_loop(engine: Engine, files: list[Path]) -> None:
    async def one(path: Path) -> bytes:
        ended = await engine.arun(READING_ASYNC, path=path)
        return ended.memory("content", int(ended["size"]))

    async def all_of_them() -> list[bytes]:
        sleeps = [engine.acall("nanosleep", 200_000_000) for _ in range(20)]
        began = time.monotonic()
        found = await asyncio.gather(*map(one, files), *sleeps)
        assert time.monotonic() - began < 3, "one after the other it would be 4"
        return found[:20]

    assert asyncio.run(all_of_them()) == [path.read_bytes() for path in files]
    assert asyncio.run(all_of_them()) == [path.read_bytes() for path in files]  # another loop


def test_a_cancelled_coroutine_cancels_its_run(engine: Engine) -> None:
    async def impatient() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(engine.acall("nanosleep", 10**12), 0.02)
        with pytest.raises(TimeoutError):
            await engine.acall("nanosleep", 10**12, timeout=0.02)
        with pytest.raises(FileNotFoundError):
            await engine.acall("openat2", AT_FDCWD, "/absent")

    asyncio.run(impatient())
    engine.call("nanosleep", 1000)
    assert engine.metrics()["runs"] == 0


def test_a_coroutine_and_threads_share_an_engine(engine: Engine) -> None:
    done = threading.Event()

    def other() -> None:
        while not done.is_set():
            engine.call("nanosleep", 100_000)

    async def sleeps() -> None:
        for _ in range(30):
            await asyncio.gather(*[engine.acall("nanosleep", 1_000_000) for _ in range(3)])

    thread = threading.Thread(target=other)
    thread.start()
    try:
        asyncio.run(asyncio.wait_for(sleeps(), 20))
    finally:
        done.set()
        thread.join(20)
    assert not thread.is_alive()


# Looking in.


def test_a_trace_says_where_each_atom_ran(engine: Engine, files: list[Path], pipe: tuple[int, int]) -> None:
    here = engine.trace(READING, path=files[0])
    assert [(s.label, s.result if s.call != "openat2" else 0, s.place) for s in here] == [
        ("openat2", 0, "inline"), ("read", 1900, "inline"), ("close", 0, "inline"),
    ]
    assert all(step.ns > 0 for step in here)
    there = engine.trace(READING_ASYNC, path=files[0])
    assert [s.place for s in there] == ["worker"] * 3
    slept = engine.trace(sleeping, ns=3_000_000)
    assert [s.place for s in slept] == ["ring", "engine"]
    assert slept[0].ns >= 3_000_000
    os.write(pipe[1], b"x")
    c = Chain("polls")
    c.poll(c.param("fd"), select.POLLIN)
    assert [s.place for s in engine.trace(c.freeze(), fd=pipe[0])] == ["inline"]


def test_quiet_successes_leave_nothing(engine: Engine) -> None:
    c = Chain("quiet")
    c.nanosleep(c.param("ns"), flags=flags.NO_COMPLETE)
    quiet = c.freeze()
    for _ in range(5):
        engine.submit_many(quiet, [{"ns": 1000}] * 50)
        engine.call("nanosleep", 50_000_000)
    assert engine.wait(timeout=0) == []
    engine.submit(quiet, ns=-1)
    assert engine.wait()[0].result == -errno.EINVAL
