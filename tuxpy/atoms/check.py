"""The checker: nothing runs that has not passed here, and whatever is refused is refused in plain words.

C checks the encoded bytes once more and trusts none of this; it distrusts, this module explains. Both apply the same
rules, and random chains prove that they agree. A `Frozen` chain is one that has passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..errors import TuxError
from ..values import value_class
from . import flags as f
from .calls import CALLS, REFUSED, WANTED, Atom, Call, fits
from .cells import Cell, Kind
from .encode import encode

ATOMS_MAX: Final = 64
CELLS_MAX: Final = 64
DATA_BYTES_MAX: Final = 1 << 20
BUFFER_BYTES_MAX: Final = 1 << 20  # all buffers of a chain, each rounded up to 16 bytes
SHARED_MAX: Final = 16
BUDGET_MAX: Final = (1 << 32) - 1
NUMBER_MIN: Final = -(1 << 63)
NUMBER_MAX: Final = (1 << 63) - 1


class ChainError(TuxError):
    """A chain that may not run: which one, where in it, what is wrong and how to mend it."""

    def __init__(self, chain: str, where: str, fault: str, mend: str) -> None:
        super().__init__(f"chain {chain}, {where}: {fault}; {mend}")
        self.chain, self.where, self.fault, self.mend = chain, where, fault, mend


@value_class(frozen=True, slots=True)
class Frozen:
    """A checked chain. Nothing in it changes any more, so any number of runs may share it."""

    name: str
    atoms: tuple[Atom, ...]
    cells: tuple[Cell, ...]
    budget: int = 0  # steps a run may take; 0: as many as it likes, since every loop waits

    @property
    def labels(self) -> dict[str, int]:
        """Where each label is."""
        return {atom.label: number for number, atom in enumerate(self.atoms)}

    @property
    def params(self) -> tuple[Cell, ...]:
        """The cells whose values are given at submit, in the order in which they are given."""
        return tuple(cell for cell in self.cells if cell.param)

    def offset(self, cell: Cell) -> int:
        """Where the bytes of a DATA cell begin in the data of the encoded chain."""
        return sum(len(before.content) for before in self.cells[: cell.number])

    def encode(self) -> bytes:
        """The chain as the engine takes it."""
        return encode(self.atoms, self.cells, self.budget)


def call_named(chain: str, where: str, name: str) -> Call:
    """The call on the white list, or why it is not there."""
    call = CALLS.get(name)
    if call is not None:
        return call
    if name in REFUSED:
        mend = "make the call before the engine starts or after it has stopped"
        raise ChainError(chain, where, f"{name} is refused: {REFUSED[name]}", mend)
    raise ChainError(chain, where, f"there is no call {name}", f"choose from {', '.join(CALLS)}")


def check(chain: Frozen) -> Frozen:
    """Return `chain` if it may run, else raise ChainError."""
    _check_sizes(chain)
    for number, cell in enumerate(chain.cells):
        _check_cell(chain.name, number, cell)
    for number, atom in enumerate(chain.atoms):
        where = f"atom {atom.label}"
        _check_flow(chain, where, number, atom)
        _check_args(chain, where, atom)
        _check_result(chain, where, atom)
    if not chain.budget:
        _check_loops(chain)
    return chain


def _check_sizes(chain: Frozen) -> None:
    data = sum(len(cell.content) for cell in chain.cells)
    buffers = sum(c.value + 15 & ~15 for c in chain.cells if c.kind is Kind.BUFFER)
    for have, most, what, mend in (
        (len(chain.atoms), ATOMS_MAX, "atoms", "split it into several chains"),
        (len(chain.cells), CELLS_MAX, "cells", "use cells again, or split the chain"),
        (data, DATA_BYTES_MAX, "bytes of data", "send long content from a file with sendfile"),
        (buffers, BUFFER_BYTES_MAX, "bytes of buffers", "read in pieces, in a loop"),
        (chain.budget, BUDGET_MAX, "steps of budget", "use 0 with loops that wait"),
    ):
        if have > most:
            raise ChainError(chain.name, "as a whole", f"{have} {what}, at most {most} fit", mend)
    if not chain.atoms:
        raise ChainError(chain.name, "as a whole", "it has no atom", "add at least one")
    if chain.budget < 0:
        raise ChainError(chain.name, "as a whole", "a negative budget", "give 0 or more steps")


def _check_cell(chain: str, number: int, cell: Cell) -> None:
    def refuse(fault: str, mend: str) -> ChainError:
        return ChainError(chain, f"cell {cell.name}", fault, mend)

    if cell.number != number:
        raise refuse(f"it says {cell.number} and stands at {number}", "number cells in order")
    if not NUMBER_MIN <= cell.value <= NUMBER_MAX:
        raise refuse(f"{cell.value} does not fit into 64 bits", "use a smaller number")
    if cell.param and cell.kind not in (Kind.INT, Kind.CONST, Kind.FD):
        raise refuse("only a number can be given at submit", "make it INT or CONST, or FD to give a descriptor away")
    if cell.content and cell.kind is not Kind.DATA:
        raise refuse(f"{cell.describe()} has no content", "make it DATA")
    if cell.kind is Kind.FD and cell.value != -1:
        raise refuse("an owned descriptor starts as -1", "lend it as a param instead")
    if cell.kind is Kind.BUFFER and not 1 <= cell.value <= BUFFER_BYTES_MAX:
        raise refuse(f"a buffer of {cell.value} bytes", f"ask for 1 to {BUFFER_BYTES_MAX}")
    if cell.kind is Kind.SHARED and not 0 <= cell.value < SHARED_MAX:
        raise refuse(f"no shared number {cell.value}", f"use an index below {SHARED_MAX}")


def _check_flow(chain: Frozen, where: str, number: int, atom: Atom) -> None:
    last = len(chain.atoms) - 1
    if atom.flags & ~f.ALL:
        raise ChainError(chain.name, where, f"unknown flags {atom.flags & ~f.ALL:#x}", "see flags.py")
    if atom.flags & f.ASYNC and atom.flags & f.SYNC:
        raise ChainError(chain.name, where, "ASYNC and SYNC exclude each other", "keep one")
    if atom.next is not None and not 0 <= atom.next <= last:
        fault = f"next is atom {atom.next}, the last one is {last}"
        raise ChainError(chain.name, where, fault, "name an atom of this chain")
    if atom.flags & f.SKIP_TO_NEXT_ON_STOP and number == last:
        raise ChainError(
            chain.name, where, "nothing behind the last atom to skip to", "say where with on_stop"
        )


def _check_args(chain: Frozen, where: str, atom: Atom) -> None:
    call = atom.call
    if len(atom.args) != len(call.kinds):
        fault = f"{call.name} takes {len(call.kinds)} arguments, not {len(atom.args)}"
        raise ChainError(chain.name, where, fault, f"give {call.name}({', '.join(call.parameters)})")
    for parameter, kind, argument in zip(call.parameters, call.kinds, atom.args, strict=True):
        cell = _cell(chain, where, argument)
        if fits(kind, cell):
            continue
        fault = f"{call.name}'s {parameter} must be {WANTED[kind][0]}, not {cell.describe()}"
        raise ChainError(chain.name, where, fault, _MEND[kind])


def _check_result(chain: Frozen, where: str, atom: Atom) -> None:
    name = atom.call.name
    if atom.call.makes_fd:
        if atom.ret is None or _cell(chain, where, atom.ret).kind is not Kind.FD:
            fault = f"{name} makes a descriptor that nobody would own"
            raise ChainError(chain.name, where, fault, "give ret=fd(...)")
    elif atom.ret is not None:
        cell = _cell(chain, where, atom.ret)
        if cell.kind is not Kind.INT:
            fault = f"the result of {name} cannot go into {cell.describe()}"
            raise ChainError(chain.name, where, fault, "give ret=int(...)")


def _cell(chain: Frozen, where: str, number: int) -> Cell:
    if 0 <= number < len(chain.cells):
        return chain.cells[number]
    fault = f"there is no cell {number}"
    raise ChainError(chain.name, where, fault, f"the chain has cells 0 to {len(chain.cells) - 1}")


def ways(atoms: Sequence[Atom], number: int) -> list[int]:
    """The atoms that a run can go on with after atom `number`."""
    atom = atoms[number]
    onward = [] if atom.next is None else [atom.next]
    if atom.flags & f.SKIP_TO_NEXT_ON_STOP:
        onward.append(number + 1)
    return onward


def _check_loops(chain: Frozen) -> None:
    """Every loop must pass a waiting call. So take those away; what is left must be a graph without a cycle."""
    clear: set[int] = {n for n, atom in enumerate(chain.atoms) if atom.call.waits}
    clearing = True
    while clearing:  # strike out whatever leads only to what is struck out; a cycle never is
        more = {n for n in range(len(chain.atoms)) if clear.issuperset(ways(chain.atoms, n))}
        clearing = not more <= clear
        clear |= more
    for number, atom in enumerate(chain.atoms):
        if number not in clear:
            fault = "from here the run can loop for ever without waiting"
            mend = "give the chain a budget of steps, or put a call that waits into the loop"
            raise ChainError(chain.name, f"atom {atom.label}", fault, mend)


_MEND: Final = {
    "f": "give an fd(...), a param(...) or a number",
    "F": "give an fd(...); what is lent is not closed here",
    "O": "give an fd(...), which then owns it",
    "i": "give an int(...), a param(...) or a number",
    "n": "give an int(...), a param(...) or a number",
    "c": "give an int(...) or shared(...)",
    "r": "give data(...) or a buffer(...)",
    "w": "give a buffer(...); data cannot be written",
    "z": "give data(...) that ends in a zero byte",
}
