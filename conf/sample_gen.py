"""Write tuxpy/sample/docs/trace.csv, the larger file of the sample site; with --check only compare.

It is an invented trace of the life cycle: 16 connections, atom by atom. Above 64 KiB, so it goes by sendfile; of few
words, so it compresses well; from a fixed seed and integers only, so it is the same on every machine.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterator
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "tuxpy" / "sample" / "docs" / "trace.csv"
SLOTS, BYTES = 16, 200 * 1024


def numbers(state: int) -> Iterator[int]:
    """Pseudo-random 31-bit numbers (the generator of Park and Miller)."""
    while True:
        state = state * 48271 % (2**31 - 1)
        yield state


def steps(slot: int) -> Iterator[tuple[str, int]]:
    """(atom, result) of one connection slot, for ever."""
    draw = numbers(slot + 2007)
    while True:
        yield "accept", slot + 16
        yield "nodelay", 0
        for _ in range(1 + next(draw) % 8):
            yield "read", 120 + next(draw) % 800
            yield "decide", 1
            yield "respond", (200, 200, 200, 304, 404)[next(draw) % 5]
        yield "read", 0
        yield "close", 0
        yield "count", 1


def generate() -> str:
    draw = numbers(1)
    runs = [steps(slot) for slot in range(SLOTS)]
    clock = [(next(draw) % 50_000, slot) for slot in range(SLOTS)]
    heapq.heapify(clock)
    lines, size = ["ns,slot,atom,result\n"], 0
    while size < BYTES:
        now, slot = clock[0]
        atom, result = next(runs[slot])
        lines.append(f"{now},{slot},{atom},{result}\n")
        size += len(lines[-1])
        heapq.heapreplace(clock, (now + 400 + next(draw) % (90_000 if atom in ("respond", "count") else 3_000), slot))
    return "".join(lines)


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        return 0 if TARGET.read_text(encoding="utf-8") == generate() else 1
    TARGET.write_text(generate(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
