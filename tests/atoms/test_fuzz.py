"""The checker in C against whatever may come: random bytes, damaged chains, and chains that Python's checker refuses.

tests/c/test_chain.c does the first two a hundred thousand times more often, under the sanitizers.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from tuxpy.atoms import CALLS, Atom, Cell, ChainError, Frozen, Kind, check
from tuxpy.engine.native import lib, load_bytes
from tuxpy.errors import EngineError

from .strategies import QUICK, chains

pytestmark = pytest.mark.slow

KINDS = st.sampled_from(list(Kind))
EDGES = st.one_of(st.integers(-3, 70), st.sampled_from([0xFFFE, 0xFFFF, 1 << 20, (1 << 20) + 1]))


def accepted(encoded: bytes) -> bool:
    """Whether C takes these bytes; if not it says so in one sentence."""
    try:
        chain = load_bytes("random", encoded, http=False)
    except EngineError as refused:
        sentence = str(refused)
        assert sentence.isprintable() and len(sentence) > len("chain random: ")
        return False
    assert lib.tux_chain_buffer_bytes(chain) <= 1 << 20
    lib.tux_chain_close(chain)
    return True


@QUICK
@given(st.binary(max_size=300))
@example(b"TUX1")
def test_random_bytes_are_no_chain(noise: bytes) -> None:
    assert not accepted(noise)


@QUICK
@given(chains(), st.binary(max_size=300))
def test_a_right_head_does_not_help(frozen: Frozen, noise: bytes) -> None:
    head = frozen.encode()[:32]
    assert not accepted(head + noise) or head + noise == frozen.encode()


@QUICK
@given(chains(), st.data())
def test_damaged_chains_are_refused_or_sound(frozen: Frozen, data: st.DataObject) -> None:
    encoded = bytearray(frozen.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(encoded) - 1))
        encoded[at] = data.draw(st.one_of(st.integers(0, 255), st.just(encoded[at] ^ 1), st.sampled_from([0, 255])))
    cut = data.draw(st.one_of(st.just(len(encoded)), st.integers(0, len(encoded))))
    event("accepted" if accepted(bytes(encoded[:cut])) else "refused")


@st.composite
def wrong(draw: st.DrawFn) -> Frozen:
    """A chain with one field that is probably wrong, as only somebody who goes round the builder can make it."""
    frozen = draw(chains())
    atoms, cells = list(frozen.atoms), list(frozen.cells)
    number = draw(st.integers(0, len(atoms) - 1))
    atom: Atom = atoms[number]
    cell: Cell = cells[place := draw(st.integers(0, len(cells) - 1))]
    what = draw(st.sampled_from(["call", "args", "flags", "ret", "next", "kind", "value", "param", "budget"]))
    if what == "call":
        atoms[number] = replace(atom, call=draw(st.sampled_from([c for c in CALLS.values() if not c.http])))
    elif what == "args" and atom.args:
        args = list(atom.args)
        args[draw(st.integers(0, len(args) - 1))] = draw(st.integers(0, len(cells) + 2))
        atoms[number] = replace(atom, args=tuple(args))
    elif what == "flags":
        atoms[number] = replace(atom, flags=draw(st.integers(0, 0x1FF)))
    elif what in ("ret", "next"):
        atoms[number] = replace(atom, **{what: draw(st.one_of(st.none(), st.integers(0, 70)))})
    elif what == "kind":
        cells[place] = replace(cell, kind=draw(KINDS))
    elif what == "value":
        cells[place] = replace(cell, value=draw(EDGES))
    elif what == "param":
        cells[place] = replace(cell, param=not cell.param)
    budget = draw(st.integers(0, 3)) if what == "budget" else frozen.budget
    return replace(frozen, atoms=tuple(atoms), cells=tuple(cells), budget=budget)


def fits_the_wire(frozen: Frozen) -> bool:
    """Some mistakes cannot even be written down: the bytes would be those of another chain."""
    return all(
        (cell.kind is Kind.DATA or not cell.content)
        and (cell.kind is not Kind.DATA or cell.value == 0)
        and (cell.kind is not Kind.BUFFER or 0 <= cell.value < 1 << 32)
        for cell in frozen.cells
    )


@QUICK
@given(wrong().filter(fits_the_wire))
def test_both_checkers_refuse_the_same(frozen: Frozen) -> None:
    try:
        check(frozen)
        right = True
    except ChainError as refused:
        right = False
        assert refused.mend and refused.fault and refused.where in str(refused)
    event("right" if right else "wrong")
    assert accepted(frozen.encode()) == right
