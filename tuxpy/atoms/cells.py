"""Cells: the named, typed 64-bit slots that atoms read their arguments from and write their results to.

Everything an atom touches is a cell, constants and memory too, so a chain holds no address and can be checked, stored
and sent. Every run has its own copy of the cells; only SHARED ones are seen by all runs of an engine.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from ..values import value_class


class Kind(IntEnum):
    """What a cell holds; the numbers are those of the wire format."""

    INT = 0  # a number the run may change
    CONST = 1  # a number it may not
    FD = 2  # a descriptor the run owns: -1 at first unless one is given, closed whatever way the run ends
    DATA = 3  # bytes to read, part of the chain
    BUFFER = 4  # bytes to write, private to the run, zero at first
    SHARED = 5  # a number shared by all runs of an engine, by index


NUMBERS: Final = frozenset({Kind.INT, Kind.CONST})
MEMORY: Final = frozenset({Kind.DATA, Kind.BUFFER})


@value_class(frozen=True, slots=True)
class Cell:
    """One cell. `value` is the first value of a number, the index of a SHARED cell, the size in bytes of a BUFFER."""

    number: int
    kind: Kind
    name: str
    value: int = 0
    content: bytes = b""  # of DATA
    # The value is given at submit. A descriptor so given is lent and never closed by the run; an FD cell owns it.
    param: bool = False

    @property
    def size(self) -> int:
        """Bytes of memory behind the cell; 0 for numbers."""
        return self.value if self.kind is Kind.BUFFER else len(self.content)

    def describe(self) -> str:
        """The cell in a sentence, for refusals: what it is and what it is called."""
        what = {
            Kind.INT: "the number",
            Kind.CONST: "the constant",
            Kind.FD: "the owned descriptor",
            Kind.DATA: "the read-only data",
            Kind.BUFFER: "the buffer",
            Kind.SHARED: "the shared number",
        }
        return f"{what[self.kind]} {self.name}"
