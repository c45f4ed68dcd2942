"""Ways to open, read and close a thousand files, each a function that makes one pass and says how long it took."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from struct import pack
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(_ROOT))  # so that an engine built in place is found, too, where none is installed

from tuxpy import AT_FDCWD, Chain, Engine  # noqa: E402
from tuxpy.atoms import Frozen  # noqa: E402

ROOM = 4096  # bytes read of each file; none is larger
WORKERS = 32  # threads that may wait for the disk, of syslets and of the pools alike
_FLAGS = ["-std=c11", "-O2", "-D_GNU_SOURCE", "-pthread", "-iquotecsrc", '-DTUX_VERSION="0"']

Pass = Callable[[], float]  # milliseconds


def compiled(source: str, directory: Path, *more: str) -> Path:
    """A C program of loadtest/async, with the engine if that is asked for. CalledProcessError when it is none."""
    program = directory / Path(source).stem
    command = [os.environ.get("CC", "cc"), *_FLAGS, f"loadtest/async/{source}", *more, "-o", str(program)]
    subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True)
    return program


def engine_sources() -> list[str]:
    return [str(path.relative_to(_ROOT)) for path in sorted((_ROOT / "csrc").rglob("*.c"))]


def make_files(directory: Path, count: int, seed: int = 2007) -> list[str]:
    """Small files of random length and content; their names."""
    chance = random.Random(seed)
    names = [str(directory / f"{number:04}") for number in range(count)]
    for name in names:
        Path(name).write_bytes(chance.randbytes(chance.randint(1, ROOM)))
    return names


def reading() -> Frozen:
    """The program: three atoms."""
    c = Chain("reading")
    file, room = c.fd("file"), c.buffer(ROOM, "content")
    how = c.data(pack("=QQQ", os.O_RDONLY | os.O_CLOEXEC, 0, 0))
    c.openat2(AT_FDCWD, c.path("path"), how, 24, ret=file, stop_on="negative")
    c.read(file, room, ROOM, ret=c.int("size"), stop_on="negative")
    c.close(file)
    return c.freeze()


def _timed(work: Callable[[], Any]) -> Pass:
    def one_pass() -> float:
        began = time.perf_counter()
        work()
        return (time.perf_counter() - began) * 1000

    return one_pass


@contextmanager
def in_c(program: Path, names: Sequence[str]) -> Iterator[Pass]:
    """The plain loop in C, in a process that waits for the sign to make a pass."""
    with subprocess.Popen([program, str(ROOM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("\n".join(names) + "\n\n")
        told, heard = process.stdin, process.stdout

        def one_pass() -> float:
            told.write("go\n")
            told.flush()
            return int(heard.readline()) / 1e6

        yield one_pass
        told.close()


@contextmanager
def syslets(names: Sequence[str], backend: str, keep: bool = False) -> Iterator[Pass]:
    """All of them in one call, and one wait for all. keep: every file's bytes are there afterwards."""
    frozen = reading()
    with Engine(slots=max(4096, len(names)), workers=WORKERS, backend=backend) as engine:

        def work() -> None:
            engine.submit_many(frozen, path=names, keep=keep)
            ended = engine.wait(min=len(names))
            assert len(ended) == len(names)

        yield _timed(work)
        engine.submit_many(frozen, path=names)
        assert all(one.ok for one in engine.wait(min=len(names)))


@contextmanager
def on_one_processor(variant: Any) -> Iterator[Pass]:
    """The variant with all its threads on one processor."""
    before = os.sched_getaffinity(0)
    one = {min(before)}
    os.sched_setaffinity(0, one)  # threads that begin now inherit it
    try:
        with variant as one_pass:

            def pinned() -> float:
                os.sched_setaffinity(0, one)
                try:
                    return float(one_pass())
                finally:
                    os.sched_setaffinity(0, before)

            os.sched_setaffinity(0, before)
            yield pinned
    finally:
        os.sched_setaffinity(0, before)


def _read(name: str) -> bytes:
    fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, ROOM)
    finally:
        os.close(fd)


@contextmanager
def python_loop(names: Sequence[str]) -> Iterator[Pass]:
    yield _timed(lambda: [_read(name) for name in names])


@contextmanager
def thread_pool(names: Sequence[str]) -> Iterator[Pass]:
    with ThreadPoolExecutor(WORKERS) as pool:
        yield _timed(lambda: list(pool.map(_read, names)))


@contextmanager
def asyncio_threads(names: Sequence[str]) -> Iterator[Pass]:
    """What asyncio has for files: a thread for each."""
    with ExitStack() as ends:
        loop = asyncio.new_event_loop()
        ends.callback(loop.close)
        loop.set_default_executor(ThreadPoolExecutor(WORKERS))
        ends.callback(lambda: loop.run_until_complete(loop.shutdown_default_executor()))

        async def everything() -> None:
            await asyncio.gather(*[asyncio.to_thread(_read, name) for name in names])

        yield _timed(lambda: loop.run_until_complete(everything()))
