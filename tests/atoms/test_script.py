"""Chains as text that can be read again, as differences, and as graphs for other programs."""

from __future__ import annotations

import xml.etree.ElementTree as Tree
from dataclasses import replace

import pytest
from hypothesis import given

from tuxpy.atoms import Chain, ChainError, Frozen, lifecycle
from tuxpy.atoms.graph import dot, edges, svg
from tuxpy.atoms.script import diff, read, write
from tuxpy.cli.chains import CHAINS
from tuxpy.cli.chains import chains as known

from .strategies import QUICK, chains


@QUICK
@given(chains())
def test_what_is_written_is_read_again(frozen: Frozen) -> None:
    assert read(write(frozen)) == frozen


@pytest.mark.parametrize("name", sorted(CHAINS))
def test_the_chains_of_the_server_too(name: str) -> None:
    for frozen in known(name):
        assert read(write(frozen)) == frozen


def test_the_text_of_a_chain() -> None:
    c = Chain("copy")
    size, room = c.int("size"), c.buffer(4096, "room")
    c.read(c.param("from"), room, 4096, label="again", ret=size, stop_on="non_positive")
    c.write(c.param("to"), room, size, next="again")
    assert write(c.freeze()) == (
        "chain copy budget 0\n"
        "cell size int 0\n"
        "cell room buffer 4096\n"
        "cell from int 0 param\n"
        "cell 4096 const 4096\n"
        "cell to int 0 param\n"
        "atom again read(from, room, 4096) = size -> write STOP_ON_NON_POSITIVE\n"
        "atom write write(to, room, size) -> again\n"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it does not begin with a chain"),
        ("chain c budget x", "it does not begin with a chain"),
        ("chain c budget 0\nhello", "this is not a line of a chain"),
        ("chain c budget 0\ncell a int 0\natom b getpid()\ncell d int 0", "this is not a line of a chain"),
        ("chain c budget 0\ncell a data 0", "0 is not a value of a data"),
        ("chain c budget 0\natom a getpid(b)", "there is no cell b"),
        ("chain c budget 0\natom a getpid() = b", "there is no cell b"),
        ("chain c budget 0\natom a getpid() -> b", "there is no atom b"),
        ("chain c budget 0\natom a getpid() LOUD", "there is no flag LOUD"),
        ("chain c budget 0\natom a fork()", "fork is refused"),
        ("chain c budget 0\natom a getpid() -> a", "loop for ever without waiting"),
    ],
)
def test_what_is_no_chain_is_refused(text: str, said: str) -> None:
    with pytest.raises(ChainError, match=said):
        read(text)


def test_names_must_tell_cells_apart() -> None:
    frozen = lifecycle()
    double = tuple(replace(cell, name="same") for cell in frozen.cells)
    with pytest.raises(ChainError, match="give it a plain name of its own"):
        write(replace(frozen, cells=double))


def test_the_difference_of_two_chains() -> None:
    frozen = lifecycle()
    lines = [line.replace("> nodelay", "> read") for line in write(frozen).splitlines() if "setsockopt" not in line]
    less = read("\n".join(lines))
    changes = [line for line in diff(frozen, less).splitlines() if line[0] in "+-" and line[:3] not in ("---", "+++")]
    assert [line[0] for line in changes] == ["-", "-", "+"]
    assert "setsockopt" in changes[1]
    assert diff(frozen, lifecycle()) == ""


def test_the_graph_of_the_life_cycle() -> None:
    drawn = dot(lifecycle())
    assert drawn.startswith('digraph "lifecycle" {')
    assert '[label="setsockopt(TCP_NODELAY)", tooltip="nodelay"];' in drawn
    assert drawn.count("->") == len(edges(lifecycle()))
    assert "a0 -> end" in drawn


@QUICK
@given(chains())
def test_pictures_are_well_formed(frozen: Frozen) -> None:
    picture = Tree.fromstring(svg(frozen))
    boxes = picture.findall("{http://www.w3.org/2000/svg}rect")
    assert len(boxes) == sum(not atom.landing for atom in frozen.atoms)
    assert dot(frozen).count("shape=box") == 1
