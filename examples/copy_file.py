"""Copy a file: the kernel moves the bytes, and the program does not wait for it unless it wants to.

    python examples/copy_file.py SOURCE TARGET
"""

from __future__ import annotations

import os
import sys
from timeit import repeat

from tuxpy import ASYNC, AT_FDCWD, Chain, Engine, chain

ROOM = 1 << 16
NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def before(source: str, target: str) -> None:
    reader = os.open(source, os.O_RDONLY)
    try:
        writer = os.open(target, NEW, 0o666)
        try:
            while piece := os.read(reader, ROOM):
                while piece:
                    piece = piece[os.write(writer, piece) :]
        finally:
            os.close(writer)
    finally:
        os.close(reader)


@chain
def copying(c: Chain) -> None:
    reader, writer, room, size = c.fd("reader"), c.fd("writer"), c.buffer(ROOM), c.int("size")
    c.openat2(AT_FDCWD, c.path("source", 4096), c.how(os.O_RDONLY), 24, ret=reader, stop_on="negative")
    c.openat2(AT_FDCWD, c.path("target", 4096), c.how(NEW, 0o666), 24, ret=writer, stop_on="negative")
    c.read(reader, room, ROOM, ret=size, stop_on="non_positive", flags=ASYNC)
    c.write(writer, room, size, next="read", stop_on="negative")


def after(engine: Engine, source: str, target: str) -> None:
    engine.run(copying, source=source, target=target).check()


if __name__ == "__main__":
    source, target = sys.argv[1:]
    with Engine() as engine:
        print("milliseconds:")
        print(f"before {min(repeat(lambda: before(source, target), number=1, repeat=5)) * 1000:.2f}")
        print(f"after  {min(repeat(lambda: after(engine, source, target), number=1, repeat=5)) * 1000:.2f}")
