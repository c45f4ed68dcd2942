"""Parts of a response to the chain that sends them.

A part is bytes, or a slice of the response's file. Bytes become a send, with MSG_MORE unless they are the last part; a
slice becomes a sendfile. Responses of the same shape differ in a few cells only, so a shape is built and checked once
and then filled: 3 µs instead of 40 for each answer, on the one thread that judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from socket import MSG_MORE, MSG_NOSIGNAL, SHUT_WR
from typing import Final, TypeAlias

from ..atoms import Cell, Chain, Frozen, Kind

DISCARD_MAX: Final = 1 << 20  # bytes of unread input thrown away before the connection closes; a time bounds it too
PARTS_MAX: Final = 17  # a head, eight slices with what stands between them; limits.h has room for so many cells

Part: TypeAlias = "bytes | tuple[int, int]"  # content, or (offset, count) of the file


def compile_parts(parts: Sequence[Part], linger: bool = False) -> Frozen:
    """The response chain of these parts; linger: at the end the connection is closed in stages."""
    template = _shape("".join("b" if isinstance(part, bytes) else "f" for part in parts), linger)
    cells = list(template.cells)
    number = _FIRST
    for part in parts:
        first, second = (part, len(part)) if isinstance(part, bytes) else part
        cells[number] = _filled(cells[number], first)
        cells[number + 1] = _filled(cells[number + 1], second)
        number += 2
    return Frozen(template.name, template.atoms, tuple(cells), template.budget)


_FIRST: Final = 2  # behind the cells that the engine fills: connection and file


@lru_cache(maxsize=128)
def _shape(kinds: str, linger: bool) -> Frozen:
    """The chain for parts of these kinds (b bytes, f file), checked; its values are placeholders."""
    assert 0 < len(kinds) <= PARTS_MAX, "a response has 1 to 17 parts"
    c = Chain("response")
    connection, file = c.param("connection"), c.param("file")
    pairs: list[tuple[Cell, Cell]] = []
    for position, kind in enumerate(kinds):
        if kind == "b":
            name = "response" if kinds == "b" else "head" if position == 0 else "between"
            pairs.append((c.data(b"", name), c.number("length")))
        else:
            pairs.append((c.number("offset"), c.number("count")))
    for position, (kind, (first, second)) in enumerate(zip(kinds, pairs, strict=True)):
        if kind == "b":
            more = MSG_MORE if position < len(kinds) - 1 else 0
            c.send(connection, first, second, MSG_NOSIGNAL | more, stop_on="negative")
        else:
            c.sendfile(connection, file, first, second, stop_on="negative")
    if linger:
        c.shutdown(connection, SHUT_WR)
        c.discard(connection, DISCARD_MAX)
    return c.freeze()


def _filled(cell: Cell, value: bytes | int) -> Cell:
    if isinstance(value, bytes):
        return Cell(cell.number, Kind.DATA, cell.name, 0, value)
    return Cell(cell.number, Kind.CONST, cell.name, value)
