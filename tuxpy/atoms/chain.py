"""The builder: a chain written in Python, with labels for places and plain numbers for constants.

    c = Chain("greet")
    peer = c.param("peer")
    c.send(peer, c.data(b"hello\\n"), 6, MSG_NOSIGNAL, stop_on="negative")
    greet = c.freeze()

Theory: an atom has two ways out, `next` and, when it stops and skips, the linearly next atom. `on_stop=label` gives the
second way a name too. Where that label is not what follows, the builder puts a landing atom behind: umem_add(scratch,
0), which changes nothing and goes on at the label. 2007's flags suffice for every branch, and C learns nothing new.
"""

from __future__ import annotations

import os
from struct import pack
from typing import Final, TypeAlias

from ..values import value_class
from . import flags as f
from .calls import CALLS, Atom, Call
from .cells import Cell, Kind
from .check import ChainError, Frozen, call_named, check
from .shortcuts import Argument, Shortcuts

END: Final = "end"  # the label of no atom: the run ends
SCRATCH: Final = "scratch"  # the cell that landing atoms add nothing to

Number: TypeAlias = int  # inside Chain, `int` makes a cell


@value_class(frozen=True, slots=True)
class _Step:
    """An atom before labels have become numbers."""

    label: str
    call: Call
    args: tuple[int, ...]
    flags: int
    ret: int | None
    on_stop: str | None
    next: str | None


class Chain(Shortcuts):
    """A chain being written. `freeze()` checks it and returns the value; the builder may go on afterwards."""

    def __init__(self, name: str, budget: Number = 0) -> None:
        self.name = name
        self.budget = budget  # steps a run may take; 0 where every loop waits
        self._cells: list[Cell] = []
        self._names: set[str] = set()
        self._constants: dict[Number, Cell] = {}
        self._steps: list[_Step] = []
        self._labels: set[str] = {END}
        self._scratch_cell: Cell | None = None

    # Cells.

    def int(self, name: str, value: Number = 0) -> Cell:
        """A number the run may change."""
        return self._cell(Kind.INT, name, value)

    def const(self, value: Number) -> Cell:
        """A number it may not; equal ones are one cell. `add` makes them of plain Python numbers."""
        if value not in self._constants:
            self._constants[value] = self._cell(Kind.CONST, str(value), value)
        return self._constants[value]

    def number(self, name: str, value: Number = 0) -> Cell:
        """A constant with a name of its own, never one cell with an equal one: for chains that are filled in later."""
        return self._cell(Kind.CONST, name, value)

    def param(self, name: str, writable: bool = True) -> Cell:
        """A number given at submit. A descriptor given so is lent: the run never closes it."""
        return self._cell(Kind.INT if writable else Kind.CONST, name, param=True)

    def fd(self, name: str, param: bool = False) -> Cell:
        """A descriptor the run will own, from the call that makes it to the end of the run or to close.

        param: from the beginning, since the caller of submit gives it away.
        """
        return self._cell(Kind.FD, name, -1, param=param)

    def data(self, content: bytes, name: str = "data") -> Cell:
        """Bytes to read, carried by the chain."""
        return self._cell(Kind.DATA, name, content=content)

    def path(self, name: str, room: Number = 256) -> Cell:
        """A path that is given at submit, of fewer than `room` bytes."""
        return self._cell(Kind.DATA, name, content=bytes(room))

    def how(self, flags: Number = os.O_RDONLY, mode: Number = 0, resolve: Number = 0) -> Cell:
        """The 24 bytes of struct open_how for openat2(2), always with O_CLOEXEC."""
        return self.data(pack("=QQQ", flags | os.O_CLOEXEC, mode, resolve), "how")

    def buffer(self, size: Number, name: str = "buffer") -> Cell:
        """`size` bytes to write, private to the run."""
        return self._cell(Kind.BUFFER, name, size)

    def shared(self, index: Number, name: str) -> Cell:
        """Shared number `index` of the engine, the same for all its runs."""
        return self._cell(Kind.SHARED, name, index)

    def _cell(
        self, kind: Kind, name: str, value: Number = 0, content: bytes = b"", param: bool = False
    ) -> Cell:
        name = _fresh(name, self._names)
        cell = Cell(len(self._cells), kind, name, value, content, param)
        self._cells.append(cell)
        return cell

    # Atoms.

    def add(
        self,
        call: str,
        *args: Argument,
        label: str | None = None,
        ret: Cell | None = None,
        stop_on: f.Stop | tuple[f.Stop, ...] = (),
        on_stop: str | None = None,
        next: str | None = None,  # noqa: A002, the field's name since 2007
        flags: Number = 0,
    ) -> None:
        """Append an atom.

        stop_on: the results that stop the run. on_stop: a label, where to go then instead. next: where to go otherwise;
        None is the atom added after this one, END the end of the run. flags: ASYNC, SYNC, NO_COMPLETE.
        """
        where = f"atom {label or call}"
        rule = call_named(self.name, where, call)
        for condition in (stop_on,) if isinstance(stop_on, str) else stop_on:
            flags |= f.STOP_ON[condition]
        if on_stop is not None:
            flags |= f.SKIP_TO_NEXT_ON_STOP
            if not flags & f.STOP_ON_ANY:
                raise ChainError(self.name, where, "on_stop, but nothing stops it", "add stop_on")
        if label is not None and (label in self._labels or not label.isidentifier()):
            fault = f"the label {label} is taken or is not a plain word"
            raise ChainError(self.name, where, fault, "choose another")
        numbers = tuple([self._number(where, argument) for argument in args])
        result = None if ret is None else self._number(where, ret)
        label = _fresh(label or call, self._labels)
        self._steps.append(_Step(label, rule, numbers, flags, result, on_stop, next))

    def _number(self, where: str, argument: Argument) -> Number:
        if not isinstance(argument, Cell):
            return self.const(argument + 0).number  # + 0 makes a plain number of an enum's member
        if argument.number < len(self._cells) and self._cells[argument.number] is argument:
            return argument.number
        fault = f"{argument.describe()} belongs to another chain"
        raise ChainError(self.name, where, fault, "make a cell of this chain")

    # The value.

    def freeze(self) -> Frozen:
        """The finished chain, checked."""
        return check(self._assemble())

    def check(self) -> None:
        """Raise ChainError unless the chain, as it stands, may run."""
        self.freeze()

    def _assemble(self) -> Frozen:
        """Labels become numbers; a skip that goes elsewhere than to the next atom gets a landing atom."""
        steps = self._steps
        followers = [step.label for step in steps[1:]] + [END]
        places: dict[str, Number | None] = {END: None}
        number = 0
        for step, follower in zip(steps, followers, strict=True):
            places[step.label] = number
            number += 2 if _lands(step, follower) else 1

        atoms: list[Atom] = []
        for step, follower in zip(steps, followers, strict=True):
            following = self._place(places, step, step.next or follower)
            atoms.append(Atom(step.label, step.call, step.args, step.flags, step.ret, following))
            if step.on_stop is not None:
                target = self._place(places, step, step.on_stop)
                if _lands(step, follower):
                    label = f"{step.label}>{step.on_stop}"
                    nothing = self._scratch().number, self.const(0).number
                    atoms.append(Atom(label, CALLS["umem_add"], nothing, next=target, landing=True))
        return Frozen(self.name, tuple(atoms), tuple(self._cells), self.budget)

    def _place(self, places: dict[str, Number | None], step: _Step, label: str) -> Number | None:
        if label in places:
            return places[label]
        fault, mend = f"there is no label {label}", f"the labels are {', '.join(places)}"
        raise ChainError(self.name, f"atom {step.label}", fault, mend)

    def _scratch(self) -> Cell:
        if self._scratch_cell is None:
            self._scratch_cell = self.int(SCRATCH)
        return self._scratch_cell


def _lands(step: _Step, follower: str) -> bool:
    return step.on_stop is not None and (step.on_stop != follower or follower == END)


def _fresh(name: str, taken: set[str]) -> str:
    """`name`, or with the first free number behind it; taken from now on."""
    fresh, number = name, 1
    while fresh in taken:
        number += 1
        fresh = f"{name}_{number}"
    taken.add(fresh)
    return fresh
