"""Open, read, close of many files at once: whatever the files are, it is as if each had been alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from struct import pack

import pytest

from tuxpy import AT_FDCWD, Chain, Completion, Engine
from tuxpy.atoms import Frozen, flags

from .conftest import Open

ROOM = 500


def reading(flag: int = os.O_RDONLY, more: bool = False, close: bool = True, **how: object) -> Frozen:
    """Open with these flags, read with these conditions, close; and then count."""
    c = Chain("reading")
    file, size = c.fd("file"), c.int("size")
    given = c.data(pack("=QQQ", flag | os.O_CLOEXEC, 0o600 if flag & os.O_CREAT else 0, 0), "how")
    c.openat2(AT_FDCWD, c.path("path"), given, 24, ret=file, stop_on="negative")
    c.read(file, c.buffer(ROOM, "content"), ROOM, ret=size, **how)  # type: ignore[arg-type]
    if close:
        c.close(file, ret=c.int("closed", 77))
    if more:
        c.umem_add(size, 1000)
    return c.freeze()


CHAINS: dict[str, Callable[[], Frozen]] = {
    "plain": lambda: reading(stop_on="negative"),
    "no conditions": reading,
    "stops at empty files": lambda: reading(stop_on="non_positive"),
    "skips": lambda: reading(stop_on="zero", flags=flags.SKIP_TO_NEXT_ON_STOP),
    "goes on": lambda: reading(more=True),
    "quiet": lambda: reading(flags=flags.NO_COMPLETE, more=True),
    "left to the end": lambda: reading(close=False, stop_on="negative"),
    "not closed before": lambda: reading(close=False, more=True),
    "by a worker": lambda: reading(flags=flags.ASYNC),
    "directories only": lambda: reading(os.O_DIRECTORY),
    "creates": lambda: reading(os.O_RDWR | os.O_CREAT),
    "names only": lambda: reading(os.O_PATH),
    "a flag that nobody knows": lambda: reading(1 << 40),
}
TOGETHER = {"plain", "no conditions", "stops at empty files", "skips", "goes on", "quiet", "left to the end"}


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Files, and what stands in their places: a directory, a link, a dead link, nothing, a fifo."""
    made = [tmp_path / f"file{n:02}" for n in range(70)]
    for n, path in enumerate(made):
        path.write_bytes(bytes([n]) * (n % 5) * 200)
    (tmp_path / "dir").mkdir()
    (tmp_path / "link").symlink_to(made[3])
    (tmp_path / "dead").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    return [*made, *(tmp_path / name for name in ("dir", "link", "dead", "absent", "fifo"))]


def seen(ended: Completion) -> tuple[object, ...]:
    cells = {name: value for name, value in ended.cells.items() if name not in ("path", "how")}
    return ended.result, ended.reason, ended.steps, ended.label, cells


@pytest.mark.parametrize("name", CHAINS)
def test_many_at_once_are_as_if_each_were_alone(engine: Engine, paths: list[Path], name: str) -> None:
    frozen = CHAINS[name]()
    wanted = [seen(engine.run(frozen, path=path)) for path in paths[:-1]]
    for least in (0, 40):
        some = paths[least : least + 60][: len(paths) - 1 - least]
        cookies = engine.submit_many(frozen, path=some)
        found = {one.cookie: seen(one) for one in engine.wait(min=len(some))}
        assert [found[cookie] for cookie in cookies] == wanted[least : least + len(some)]


@pytest.mark.parametrize("name", CHAINS)
def test_they_go_to_the_kernel_together_where_they_can(engine: Engine, paths: list[Path], name: str) -> None:
    engine.submit_many(CHAINS[name](), path=paths[5:45])
    engine.wait(min=40)
    bursts = engine.metrics()["bursts"]
    assert bursts == (40 if engine.backend == "uring" and name in TOGETHER else 0)


def test_what_is_filled_in_is_looked_at(engine: Engine, tmp_path: Path) -> None:
    """The same chain, once as it is and once told to create: that must not be tried twice."""
    new = [tmp_path / f"new{n}" for n in range(20)]
    how = pack("=QQQ", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640, 0)
    engine.submit_many(CHAINS["plain"](), path=new, how=how)
    assert {one.label for one in engine.wait(min=20) if one.ok} == {"close"}
    assert all(path.stat().st_mode & 0o777 == 0o640 for path in new)


def test_a_fifo_has_nothing_to_say_for_a_long_time(engine: Engine, paths: list[Path]) -> None:
    writer = os.open(paths[-1], os.O_RDWR)
    first, *others = engine.submit_many(CHAINS["plain"](), path=[paths[-1], *paths[:9]])
    assert {one.cookie for one in engine.wait(min=9)} == set(others)
    os.write(writer, b"at last")
    (last,) = engine.wait()
    assert (last.cookie, last["size"]) == (first, 7)
    os.close(writer)


def test_a_descriptor_that_is_kept_is_a_real_one(engine: Engine, paths: list[Path]) -> None:
    engine.submit_many(CHAINS["stops at empty files"](), path=paths[:20], fd="file")
    for one in engine.wait(min=20):
        fd = one.take_fd()
        assert (fd >= 0) == (one.label == "read")
        if fd >= 0:
            os.close(fd)


def open_now() -> int:
    """Descriptors of this process, but for the rings, which come when they are needed."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one that we look with
            found += "io_uring" not in str(entry.readlink())
    return found


def test_no_descriptor_stays_open(open_engine: Open, paths: list[Path]) -> None:
    engine = open_engine(slots=256)
    before = open_now()
    for name in TOGETHER:
        engine.submit_many(CHAINS[name](), path=paths[:-1])
        engine.wait(min=len(paths) - 1)
    assert open_now() == before
