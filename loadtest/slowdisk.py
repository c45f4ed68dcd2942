"""A slow disk: ext4 on a loop device whose file lies on slow/slowfs.c, or that file system itself.

It needs root, /dev/fuse and, for ext4, mkfs.ext4 and a free loop device. Everything is mounted in a mount namespace of
our own, `apart` sees to that, so nothing is left mounted when this process has ended.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from contenders import Unavailable, find

_HERE = Path(__file__).resolve().parent
_MARK = "TUXPY_BENCH_APART"
_LIMIT_S = 120
_BLOCK = os.urandom(1 << 20)  # no hole and nothing a file system could shorten


@dataclass(frozen=True)
class Disk:
    """How slow: so long a request takes, of which so many may be under way; and what lies on it."""

    milliseconds: int
    places: int
    files: int
    file_bytes: int
    kind: str = "ext4"


def build(name: str, directory: Path) -> Path:
    """A helper program of slow/."""
    program = directory / name
    flags = ["-std=c11", "-O2", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-pthread"]
    source = str(_HERE / "slow" / f"{name}.c")
    subprocess.run([os.environ.get("CC", "cc"), *flags, source, "-o", str(program)], check=True, timeout=60)
    return program


def apart() -> None:
    """Start again in a mount namespace of our own, unless that is where we are."""
    if _MARK in os.environ:
        return
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        raise Unavailable("a slow disk needs root and /dev/fuse")
    command = [find("unshare"), "--mount", "--propagation", "private", sys.executable, *sys.argv]
    os.execve(command[0], command, os.environ | {_MARK: "1"})


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    if done.returncode:
        raise Unavailable(f"{command[0]}: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


def _write_files(disk: Disk, directory: Path) -> None:
    directory.mkdir()
    for number in range(disk.files):
        with (directory / f"{number}.bin").open("wb") as file:
            for _ in range(disk.file_bytes >> 20):
                file.write(_BLOCK)


def _image(disk: Disk, work: Path, source: Path) -> None:
    """An ext4 file system with the files in it, made without mounting it."""
    source.mkdir()
    size = disk.files * (disk.file_bytes + (1 << 20)) + (64 << 20)
    with (source / "image").open("wb") as image:
        image.truncate(size)
    options = ("-q", "-b", "4096", "-O", "^has_journal", "-d", str(work / "files"))
    _run(find("mkfs.ext4"), *options, str(source / "image"))
    shutil.rmtree(work / "files")


@contextmanager
def _slow(disk: Disk, program: Path, source: Path, mount: Path) -> Iterator[None]:
    slowness = (str(disk.milliseconds), str(disk.places))
    command = [find("nice"), "-n", "-15", str(program), str(source), str(mount), *slowness]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _LIMIT_S)
        if not ready or process.stdout.readline() != b"ready\n":
            raise Unavailable("slowfs could not be mounted")
        yield
    finally:
        with suppress(Unavailable):
            _run("umount", str(mount))
        process.kill()  # what is read is lost; nobody reads any more
        process.wait()


@contextmanager
def _ext4(image: Path, mount: Path) -> Iterator[None]:
    """--direct-io: otherwise the loop device would keep what it has read, and be slow only once."""
    device = _run(find("losetup"), "--show", "--find", "--read-only", "--direct-io=on", str(image))
    try:
        _run("mount", "-t", "ext4", "-o", "ro,noatime", device, str(mount))
        try:
            yield
        finally:
            _unmount(mount)
    finally:
        _run(find("losetup"), "--detach", device)


def _unmount(mount: Path) -> None:
    for _ in range(50):  # a server that has just ended may still hold it
        with suppress(Unavailable):
            _run("umount", str(mount))
            return
        time.sleep(0.1)
    _run("umount", "--lazy", str(mount))


@contextmanager
def slow_disk(disk: Disk, work: Path, mount: Path) -> Iterator[None]:
    """The files 0.bin, 1.bin, ... at `mount`, as slow as was asked for."""
    program = build("slowfs", work)
    mount.mkdir()
    _write_files(disk, work / "files")
    if disk.kind == "fuse":
        with _slow(disk, program, work / "files", mount):
            yield
        return
    _image(disk, work, work / "source")
    between = work / "between"
    between.mkdir()
    with _slow(disk, program, work / "source", between), _ext4(between / "image", mount):
        yield


def make_cold(files: Sequence[Path]) -> None:
    """Out of memory with them."""
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
