"""Chains as bytes: the sizes that csrc/chain/atom.h promises, and every field where it belongs."""

from __future__ import annotations

import re
from pathlib import Path
from struct import calcsize

from hypothesis import given

from tuxpy.atoms import Chain, Frozen, Kind, flags, lifecycle
from tuxpy.atoms.encode import ARGS_MAX, ATOM, CELL, HEADER, MAGIC, NONE, PARAM

from .strategies import QUICK, chains

CSRC = Path(__file__).parents[2] / "csrc"


def test_sizes_are_those_of_c() -> None:
    asserted = re.findall(r"sizeof\(struct tux_(\w+)\) == (\d+)", (CSRC / "chain" / "atom.h").read_text("utf-8"))
    assert {name: int(size) for name, size in asserted} == {
        "chain_header": HEADER.size,
        "cell": CELL.size,
        "atom": ATOM.size,
    }
    assert calcsize("=6H") // calcsize("=H") == ARGS_MAX


def test_kinds_are_those_of_c() -> None:
    listed = re.search(r"enum tux_cell_kind \{ (.*), TUX_KINDS \}", (CSRC / "chain" / "atom.h").read_text("utf-8"))
    assert listed is not None
    assert [f"TUX_{kind.name}" for kind in Kind] == listed[1].split(", ")


@QUICK
@given(chains())
def test_the_length_is_the_sum_of_the_parts(frozen: Frozen) -> None:
    data = sum(len(cell.content) for cell in frozen.cells)
    parts = HEADER.size + CELL.size * len(frozen.cells) + ATOM.size * len(frozen.atoms) + data
    encoded = frozen.encode()
    assert len(encoded) == parts
    assert HEADER.unpack_from(encoded) == (
        MAGIC, len(frozen.atoms), len(frozen.cells), data, frozen.budget, 0, 0, 0, 0
    )  # fmt: skip


def test_every_field() -> None:
    c = Chain("fields", budget=3)
    given, i, fd = c.param("given"), c.int("i", -2), c.fd("fd")
    text, room = c.data(b"some"), c.buffer(9)
    more, shared = c.data(b"more!"), c.shared(5, "five")
    c.write(fd, more, given, label="w", ret=i, stop_on="negative", next="w", flags=flags.ASYNC)
    c.umem_add(shared, i)
    frozen = c.freeze()
    encoded = frozen.encode()
    cells = [CELL.unpack_from(encoded, HEADER.size + n * CELL.size) for n in range(7)]
    assert cells == [
        (Kind.INT, PARAM, 0, 0, 0),
        (Kind.INT, 0, 0, 0, -2),
        (Kind.FD, 0, 0, 0, -1),
        (Kind.DATA, 0, 0, 4, 0),
        (Kind.BUFFER, 0, 0, 9, 0),
        (Kind.DATA, 0, 0, 5, 4),
        (Kind.SHARED, 0, 0, 0, 5),
    ]
    start = HEADER.size + 7 * CELL.size
    assert [ATOM.unpack_from(encoded, start + n * ATOM.size) for n in range(2)] == [
        (12, flags.ASYNC | flags.STOP_ON_NEGATIVE, i.number, 0, fd.number, more.number, given.number, *[NONE] * 3, 0),
        (1, 0, NONE, NONE, shared.number, i.number, *[NONE] * 4, 0),
    ]
    assert encoded.endswith(b"somemore!")
    assert (frozen.offset(text), frozen.offset(more)) == (0, 4)
    assert room.size == 9


def test_the_same_chain_is_the_same_bytes() -> None:
    assert lifecycle().encode() == lifecycle().encode()
