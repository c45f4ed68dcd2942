"""What comes back of a run: why and where it ended, and on demand what its cells hold."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from errno import ECANCELED, EPROTO, ETIMEDOUT
from typing import Any, Final, NamedTuple

from ..atoms import Cell, Frozen, Kind, Reason
from ..engine.native import ffi, lib
from .params import Given

PLACES: Final = ("inline", "engine", "ring", "worker")  # enum tux_ran


class Step(NamedTuple):
    """One atom of a traced run. ns: from the atom before to its result, waiting included.

    place: "inline" on the thread that submitted it, "engine" at once on the engine's thread, "ring" there after an
    event, "worker" on a cachemiss worker.
    """

    label: str
    call: str
    result: int
    ns: int
    place: str


class Shape:
    """What all runs of a chain have in common: where in its record a cell is, and where its memory."""

    __slots__ = ("_places", "cells", "frozen")

    def __init__(self, frozen: Frozen) -> None:
        self.frozen = frozen
        self.cells = {cell.name: cell for cell in frozen.cells}
        self._places: tuple[int, list[int]] | None = None

    def number(self, record: int, cell: int) -> int:
        """What the cell holds in the record at this address."""
        return int(_numbers_at(record + self._seen(record)[0])[cell])

    def memory(self, record: int, cell: int, size: int) -> bytes:
        """The first bytes of a BUFFER cell."""
        return bytes(ffi.buffer(_bytes_at(record + self._seen(record)[1][cell]), size))

    def _seen(self, record: int) -> tuple[int, list[int]]:
        """Distances from the beginning of a record: of its numbers, of the memory behind each cell. C is asked once."""
        if self._places is None:
            handle = ffi.cast("struct tux_record *", record)
            numbers = lib.tux_record_cells(handle)
            buffers = int(ffi.cast("uintptr_t", lib.tux_record_buffers(handle))) - record
            offsets = [numbers[c.number] if c.kind is Kind.BUFFER else 0 for c in self.frozen.cells]
            self._places = int(ffi.cast("uintptr_t", numbers)) - record, [buffers + offset for offset in offsets]
        return self._places


def _numbers_at(address: int) -> Any:
    return ffi.cast("int64_t *", address)


def _bytes_at(address: int) -> Any:
    return ffi.cast("uint8_t *", address)


class Completion:
    """A finished run. Cells by name: `completion["buffer"]` is bytes, `completion["size"]` a number.

    Cells are read from the engine's memory when they are asked for; what a program does not look at costs nothing.
    The memory is given back with the last reference to the completion.
    """

    __slots__ = ("_row", "_shape", "_told")  # no more: a thousand of them are made at a time
    _row: tuple[int, Mapping[str, Given]]

    def __init__(self, shape: Shape, told: tuple[int, ...]) -> None:
        """told: struct tux_completion, whose record is this one's from now on."""
        self._shape = shape
        self._told = told

    def __del__(self) -> None:
        if self._told[3]:
            lib.tux_record_close(ffi.cast("struct tux_record *", self._told[3]))

    @property
    def index(self) -> int:
        """Of a run that map() has begun: the number of its row, from 0. LookupError: another has begun it."""
        return self._mapped()[0]

    @property
    def row(self) -> Mapping[str, Given]:
        """Of a run that map() has begun: its row, the very object. LookupError: another has begun it."""
        return self._mapped()[1]

    def belongs_to(self, index: int, row: Mapping[str, Given]) -> Completion:
        """Itself, which knows its row from now on."""
        self._row = index, row
        return self

    def _mapped(self) -> tuple[int, Mapping[str, Given]]:
        try:
            return self._row
        except AttributeError:
            raise LookupError("only the completions of map() have a row; others are told apart by cookie") from None

    @property
    def chain(self) -> Frozen:
        """What has run."""
        return self._shape.frozen

    @property
    def cookie(self) -> int:
        """What submit returned."""
        return self._told[0]

    @property
    def result(self) -> int:
        """Of the atom that was executed last."""
        return self._told[1]

    @property
    def steps(self) -> int:
        """Atoms executed."""
        return self._told[2]

    @property
    def last_atom(self) -> int:
        """The number of the atom that was executed last."""
        return self._told[4]

    @property
    def reason(self) -> Reason:
        """Why it ended."""
        return Reason(self._told[5])

    def __repr__(self) -> str:
        where = f"{self.chain.name}.{self.label}"
        return f"<Completion {self.cookie} of {where}: {self.result}, {self.reason.name}, {self.steps} steps>"

    @property
    def label(self) -> str:
        """The atom that was executed last."""
        return self.chain.atoms[self.last_atom].label

    @property
    def ok(self) -> bool:
        """The run came to an end or a stop, and its last result is not an error."""
        return self._told[1] >= 0 and self._told[5] <= Reason.STOP  # END is less

    def check(self) -> Completion:
        """Itself, or OSError that says what went wrong: the errno of the last atom, TimeoutError for a deadline."""
        if self.ok:
            return self
        code = -self.result if self.result < 0 else EPROTO
        code = {Reason.DEADLINE: ETIMEDOUT, Reason.CANCELLED: ECANCELED}.get(self.reason, code)
        raise OSError(code, f"{os.strerror(code)} (atom {self.label} of chain {self.chain.name})")

    def __getitem__(self, name: str) -> int | bytes:
        """What the cell held last. KeyError: no such cell; LookupError: the run was submitted with keep=False."""
        return self._value(self._shape.cells[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._shape.cells)

    @property
    def cells(self) -> dict[str, int | bytes]:
        """All cells by name."""
        return {name: self._value(cell) for name, cell in self._shape.cells.items()}

    def memory(self, name: str, length: int | None = None) -> bytes:
        """The first `length` bytes of a buffer; all of it without. For a read that is the atom's result."""
        cell = self._shape.cells[name]
        if cell.kind is not Kind.BUFFER:
            raise TypeError(f"{name} is not a buffer but {cell.kind.name} with the value completion[{name!r}]")
        size = cell.value if length is None else min(max(length, 0), cell.value)
        return self._shape.memory(self._kept(), cell.number, size)

    def take_fd(self) -> int:
        """The descriptor that was to outlive the run, which is yours from now on; -1 when there is none."""
        return int(lib.tux_record_take(ffi.cast("struct tux_record *", self._kept())))

    @property
    def trace(self) -> list[Step]:
        """The atoms that were executed, the first 1,024 of them; empty unless the run was traced."""
        out = ffi.new("struct tux_traced **")
        count = lib.tux_record_trace(ffi.cast("struct tux_record *", self._kept()), out)
        atoms = self.chain.atoms
        return [
            Step(atoms[one.atom].label, atoms[one.atom].call.name, one.result, one.ns, PLACES[one.place])
            for one in (out[0][i] for i in range(count))
        ]

    def _kept(self) -> int:
        if not self._told[3]:
            raise LookupError("the cells of this run were not kept")
        return self._told[3]

    def _value(self, cell: Cell) -> int | bytes:
        if cell.kind is Kind.DATA:
            return cell.content
        if cell.kind is Kind.BUFFER:
            return self._shape.memory(self._kept(), cell.number, cell.value)
        return self._shape.number(self._kept(), cell.number)
