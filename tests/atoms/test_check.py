"""Every refusal of the checker once: where, what, and how to mend it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tuxpy.atoms import CALLS, Atom, Cell, Chain, ChainError, Frozen, Kind, check, flags
from tuxpy.atoms.calls import REFUSED
from tuxpy.atoms.check import ATOMS_MAX, BUDGET_MAX, BUFFER_BYTES_MAX, CELLS_MAX, DATA_BYTES_MAX, SHARED_MAX

ADD = CALLS["umem_add"]
NUMBER, ONE = Cell(0, Kind.INT, "i"), Cell(1, Kind.CONST, "1", 1)
FD, DATA, BUFFER = (
    Cell(2, Kind.FD, "fd", -1),
    Cell(3, Kind.DATA, "text", content=b"text"),
    Cell(4, Kind.BUFFER, "room", 8),
)
CELLS = (NUMBER, ONE, FD, DATA, BUFFER)
LINE = Frozen("tried", (Atom("one", ADD, (0, 1)),), CELLS)


def atom(call: str = "umem_add", *args: int, **fields: Any) -> Frozen:
    """A chain with this one atom."""
    return replace(LINE, atoms=(replace(LINE.atoms[0], call=CALLS[call], args=args or (0, 1), **fields),))


def cell(kind: Kind, value: int = 0, content: bytes = b"", param: bool = False) -> Frozen:
    """A chain with this cell behind the others."""
    return replace(LINE, cells=(*CELLS, Cell(len(CELLS), kind, "odd", value, content, param)))


def many(count: int, size: int) -> Frozen:
    buffers = tuple(Cell(len(CELLS) + n, Kind.BUFFER, f"b{n}", size) for n in range(count))
    return replace(LINE, cells=CELLS + buffers)


WHOLE, ONE_ATOM, ODD = "as a whole", "atom one", "cell odd"

# Name of the case -> the chain, where, a part of what, a part of the remedy.
REFUSALS: dict[str, tuple[Frozen, str, str, str]] = {
    "no atom": (replace(LINE, atoms=()), WHOLE, "it has no atom", "add at least one"),
    "atoms": (replace(LINE, atoms=LINE.atoms * (ATOMS_MAX + 1)), WHOLE, "65 atoms, at most 64 fit", "split it"),
    "cells": (many(CELLS_MAX, 1), WHOLE, f"{CELLS_MAX + 5} cells, at most 64 fit", "use cells again"),
    "data": (cell(Kind.DATA, content=bytes(DATA_BYTES_MAX)), WHOLE, "bytes of data", "from a file with sendfile"),
    "buffers": (many(2, BUFFER_BYTES_MAX // 2 + 1), WHOLE, "bytes of buffers", "in pieces, in a loop"),
    "budget": (replace(LINE, budget=BUDGET_MAX + 1), WHOLE, "steps of budget", "use 0 with loops that wait"),
    "negative budget": (replace(LINE, budget=-1), WHOLE, "a negative budget", "give 0 or more steps"),
    "number": (replace(LINE, cells=(*CELLS, NUMBER)), "cell i", "it says 0 and stands at 5", "number cells in order"),
    "64 bits": (cell(Kind.CONST, 1 << 63), ODD, "9223372036854775808 does not fit", "use a smaller number"),
    "param": (cell(Kind.DATA, param=True), ODD, "only a number can be given", "make it INT or CONST"),
    "content": (cell(Kind.INT, content=b"x"), ODD, "the number odd has no content", "make it DATA"),
    "owned": (cell(Kind.FD, 3), ODD, "an owned descriptor starts as -1", "lend it as a param"),
    "empty buffer": (cell(Kind.BUFFER, 0), ODD, "a buffer of 0 bytes", "ask for 1 to 1048576"),
    "shared": (cell(Kind.SHARED, SHARED_MAX), ODD, "no shared number 16", "use an index below 16"),
    "flags": (atom(flags=0x100), ONE_ATOM, "unknown flags 0x100", "see flags.py"),
    "manner": (atom(flags=flags.ASYNC | flags.SYNC), ONE_ATOM, "ASYNC and SYNC exclude each other", "keep one"),
    "next": (atom(next=1), ONE_ATOM, "next is atom 1, the last one is 0", "name an atom of this chain"),
    "skip": (atom(flags=flags.SKIP_TO_NEXT_ON_STOP), ONE_ATOM, "nothing behind the last atom", "with on_stop"),
    "arguments": (atom("umem_add", 0), ONE_ATOM, "umem_add takes 2 arguments, not 1", "give umem_add(cell, increment)"),
    "no cell": (atom("umem_add", 0, 9), ONE_ATOM, "there is no cell 9", "the chain has cells 0 to 4"),
    "f": (atom("shutdown", 3, 1), ONE_ATOM, "fd must be a descriptor, not the read-only data text", "give an fd(...)"),
    "F": (atom("close", 0), ONE_ATOM, "a descriptor that the run owns, not the number i", "what is lent is not closed"),
    "i": (atom("umem_add", 0, 2), ONE_ATOM, "increment must be a number, not the owned descriptor fd", "a number"),
    "n": (atom("write", 2, 3, 3), ONE_ATOM, "length must be a length, not the read-only data text", "give an int(...)"),
    "c": (
        atom("umem_add", 1, 1),
        ONE_ATOM,
        "a number that may change, not the constant 1",
        "give an int(...) or shared",
    ),
    "r": (atom("write", 2, 0, 1), ONE_ATOM, "data must be memory to read, not the number i", "give data(...)"),
    "w": (atom("read", 2, 3, 1), ONE_ATOM, "buffer must be memory to write", "data cannot be written"),
    "z": (
        atom("openat2", 2, 3, 3, 1, ret=2),
        ONE_ATOM,
        "path must be a path: data ending in NUL",
        "ends in a zero byte",
    ),
    "nobody owns": (atom("accept4", 2, 1), ONE_ATOM, "accept4 makes a descriptor that nobody would own", "give ret=fd"),
    "owned by a number": (atom("accept4", 2, 1, ret=0), ONE_ATOM, "that nobody would own", "give ret=fd(...)"),
    "result": (atom(ret=1), ONE_ATOM, "the result of umem_add cannot go into the constant 1", "give ret=int(...)"),
    "no result cell": (atom(ret=9), ONE_ATOM, "there is no cell 9", "the chain has cells 0 to 4"),
    "loop": (atom(next=0), ONE_ATOM, "from here the run can loop for ever without waiting", "give the chain a budget"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refuses(case: str) -> None:
    frozen, where, fault, mend = REFUSALS[case]
    with pytest.raises(ChainError) as error:
        check(frozen)
    refusal = error.value
    assert (refusal.chain, refusal.where) == ("tried", where)
    assert fault in refusal.fault
    assert mend in refusal.mend
    assert str(refusal) == f"chain tried, {where}: {refusal.fault}; {refusal.mend}"


def test_accepts_what_the_cases_started_from() -> None:
    assert check(LINE) is LINE


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_by_name_what_belongs_to_the_process(name: str) -> None:
    with pytest.raises(ChainError) as error:
        Chain("bad").add(name)
    assert error.value.fault == f"{name} is refused: {REFUSED[name]}"
    assert error.value.mend == "make the call before the engine starts or after it has stopped"


def test_refuses_what_nobody_knows() -> None:
    with pytest.raises(ChainError) as error:
        Chain("bad").add("opne")
    assert error.value.fault == "there is no call opne"
    assert "openat2" in error.value.mend


def loop(waiting: bool, budget: int = 0, way: str = "next") -> Chain:
    """Two atoms that lead back to the first, one way or the other."""
    c = Chain("loop", budget)
    i = c.int("i")
    c.umem_add(i, 1, label="top")
    if waiting:
        c.read(0, c.buffer(1), 1, label="wait")
    if way == "next":
        c.umem_add(i, 1, label="turn", next="top")
    else:
        c.umem_add(i, 1, label="turn", stop_on="nonzero", on_stop="top")
    return c


@pytest.mark.parametrize("way", ["next", "on_stop"])
def test_a_loop_waits_or_has_a_budget(way: str) -> None:
    with pytest.raises(ChainError) as error:
        loop(waiting=False, way=way).check()
    assert error.value.where == "atom top"
    loop(waiting=True, way=way).check()
    loop(waiting=False, budget=1, way=way).check()


def test_a_loop_that_can_go_round_its_waiting_call_does_not_wait() -> None:
    c = Chain("round")
    i = c.int("i")
    c.umem_add(i, 1, label="top", stop_on="zero", on_stop="turn")
    c.read(0, c.buffer(1), 1, label="wait")
    c.umem_add(i, 1, label="turn", next="top")
    with pytest.raises(ChainError, match="without waiting"):
        c.check()


@pytest.mark.parametrize("name", sorted(name for name, call in CALLS.items() if call.waits))
def test_what_may_wait_makes_a_loop_harmless(name: str) -> None:
    call = CALLS[name]
    kinds = {"f": 2, "i": 1, "n": 1, "r": 3, "w": 4}
    args = tuple(kinds[kind] for kind in call.kinds)
    check(replace(LINE, atoms=(Atom("one", call, args, ret=2 if call.makes_fd else None, next=0),)))
