"""A chain as bytes: position-free, native byte order, cell numbers where 2007 had addresses.

header, cells, atoms, data, in that order and without gaps; csrc/chain/atom.h declares the same. C checks what
arrives as if an attacker had sent it, so nothing is checked here.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

from .calls import Atom
from .cells import Cell, Kind

MAGIC: Final = 0x31585554  # "TUX1" in memory, little-endian
NONE: Final = 0xFFFF  # no result cell, no next atom, no argument
ARGS_MAX: Final = 6
PARAM: Final = 0x01

HEADER: Final = Struct("=I HH I I 4I")  # magic, atoms, cells, data bytes, step budget, reserved
CELL: Final = Struct("=BBHIq")  # kind, mode, reserved, size, value
ATOM: Final = Struct("=HHHH 6H I")  # call, flags, ret, next, args, reserved


def encode(atoms: Sequence[Atom], cells: Sequence[Cell], budget: int) -> bytes:
    """The wire form of a chain."""
    data = b"".join(cell.content for cell in cells)
    parts = [HEADER.pack(MAGIC, len(atoms), len(cells), len(data), budget, 0, 0, 0, 0)]
    offset = 0
    for cell in cells:
        parts.append(CELL.pack(cell.kind, PARAM * cell.param, 0, cell.size, _value(cell, offset)))
        offset += len(cell.content)
    for atom in atoms:
        ret = NONE if atom.ret is None else atom.ret
        following = NONE if atom.next is None else atom.next
        args = atom.args + (NONE,) * (ARGS_MAX - len(atom.args))
        parts.append(ATOM.pack(atom.call.number, atom.flags, ret, following, *args, 0))
    parts.append(data)
    return b"".join(parts)


def _value(cell: Cell, offset: int) -> int:
    """The value field: where the bytes of DATA begin, nothing for a BUFFER, else the number itself."""
    if cell.kind is Kind.DATA:
        return offset
    return 0 if cell.kind is Kind.BUFFER else cell.value
