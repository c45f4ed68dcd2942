"""The chains that an engine has in C, and what is submitted of them."""

from __future__ import annotations

import itertools
from errno import ECANCELED
from struct import Struct
from typing import Any, Final

from ..atoms import Frozen, Kind, Reason
from ..engine.native import ffi, lib, load
from .completion import Completion, Shape
from .params import Layout, Packed

SEQUENCE_BITS: Final = 40  # of a cookie; above them the number of its chain
NO_CELL: Final = 0xFFFF
_CHAINS_MAX: Final = 512
_BATCH: Final = 256
_RECORD: Final = Struct("=QqQQHHHH")  # struct tux_completion


def told(records: Any, count: int) -> list[tuple[int, ...]]:
    """So many records of ended runs, as C has left them."""
    return list(_RECORD.iter_unpack(ffi.buffer(records, count * _RECORD.size)))


class Loaded:
    """A chain as C holds it. `alive`: its runs that have not been taken; C's copy must live as long as they do."""

    __slots__ = ("alive", "cells", "fd_cell", "frozen", "handle", "layout", "number", "shape")

    def __init__(self, frozen: Frozen, number: int) -> None:
        self.frozen, self.number, self.alive = frozen, number, 0
        self.handle = load(frozen, http=False)
        self.layout, self.shape = Layout(frozen), Shape(frozen)
        self.cells = ffi.new("uint16_t[]", [cell.number for cell in frozen.params])
        self.fd_cell = {cell.name: cell.number for cell in frozen.cells if cell.kind is Kind.FD}

    def completed(self, told: list[tuple[int, ...]]) -> list[Completion]:
        """Its runs that are not alive any more."""
        shape = self.shape
        self.alive -= len(told)
        return [Completion(shape, one) for one in told]

    def submission(self, packed: Packed, first: int) -> Submission:
        """What tux_engine_exec takes; its memory lives as long as this does."""
        return Submission(self, packed, first)


class Submission:
    """struct tux_submission, and what it points to."""

    __slots__ = ("_memory", "pointer")

    def __init__(self, loaded: Loaded, packed: Packed, first: int) -> None:
        s: Any = ffi.new("struct tux_submission *")
        self.pointer = s
        s.chain, s.cookie, s.runs, s.keep_cell = loaded.handle, first, packed.runs, NO_CELL
        s.param_cells, s.param_count = loaded.cells, len(loaded.cells)
        params = ffi.from_buffer("int64_t[]", packed.numbers)
        s.params = params
        self._memory: tuple[Any, ...] = (packed, params)
        if packed.fill_cells:
            cells, ends = ffi.from_buffer("uint16_t[]", packed.fill_cells), ffi.from_buffer("uint32_t[]", packed.ends)
            fills = ffi.from_buffer("uint8_t[]", packed.bytes)
            s.fill_cells, s.fill_ends, s.fills, s.fill_count = cells, ends, fills, len(packed.fill_cells)
            self._memory += (cells, ends, fills)


class Chains:
    """The chains of one engine, and the completions of their runs. Each chain is loaded once; of many, those go that no
    run is alive of. Whoever calls holds the lock of the engine's waiters."""

    def __init__(self) -> None:
        self.engine: Any = None  # struct tux_engine *, while there is one
        self._by_number: dict[int, Loaded] = {}
        self._by_identity: dict[int, Loaded] = {}
        self._numbers = itertools.count(1)
        self._out = ffi.new("struct tux_completion[]", _BATCH)

    def begin(self, frozen: Frozen, runs: int) -> Loaded:
        """The chain, with so many more runs alive."""
        loaded = self._by_identity.get(id(frozen))
        if loaded is None:
            if len(self._by_number) >= _CHAINS_MAX:
                self._make_room()
            loaded = Loaded(frozen, next(self._numbers))
            self._by_number[loaded.number] = self._by_identity[id(frozen)] = loaded
        loaded.alive += runs
        return loaded

    def take(self) -> list[Completion]:
        """What the engine has told since the last time."""
        found: list[Completion] = []
        while self.engine is not None and (count := lib.tux_engine_completions(self.engine, self._out, _BATCH)):
            found += self._completed(told(self._out, count))
        return found

    def _completed(self, told: list[tuple[int, ...]]) -> list[Completion]:
        if len({one[0] >> SEQUENCE_BITS for one in told}) == 1:  # as it mostly is
            return self._by_number[told[0][0] >> SEQUENCE_BITS].completed(told)
        return [one for record in told for one in self._by_number[record[0] >> SEQUENCE_BITS].completed([record])]

    def orphan(self, cookie: int) -> Completion:
        """Of a run that the engine took with it."""
        shape = self._by_number[cookie >> SEQUENCE_BITS].shape
        return Completion(shape, (cookie, -ECANCELED, 0, 0, 0, Reason.CANCELLED))

    def _make_room(self) -> None:
        for old in [one for one in self._by_number.values() if one.alive == 0]:
            del self._by_number[old.number], self._by_identity[id(old.frozen)]
            lib.tux_chain_close(old.handle)

    def close(self) -> None:
        for loaded in self._by_number.values():
            lib.tux_chain_close(loaded.handle)
        self._by_number.clear()
        self._by_identity.clear()

    def forked(self) -> None:
        """In a child: what completions hold stays where it is, since a lock of its pool may have been taken."""
        self.engine = None
        for loaded in list(self._by_number.values()):
            lib.tux_chain_forked(loaded.handle)
