"""Drawings and listings: the picture of 2007 for the chain that runs, and a sensible one for any other."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from hypothesis import given

from tuxpy.atoms import END, Chain, Frozen, flags, lifecycle
from tuxpy.atoms.text import COLUMNS, draw, dump
from tuxpy.atoms.words import telling

from .strategies import QUICK, chains

GOLDEN = Path(__file__).with_name("lifecycle.txt")


def response() -> Frozen:
    """What a decision looks like that sends a file and then closes in stages."""
    c = Chain("response")
    connection, file = c.param("connection"), c.param("file")
    c.send(connection, c.data(bytes(245), "head"), 245, socket.MSG_NOSIGNAL | socket.MSG_MORE, stop_on="negative")
    c.sendfile(connection, file, 0, 1 << 20, stop_on="negative")
    c.shutdown(connection, socket.SHUT_WR)
    c.discard(connection, 65536)
    return c.freeze()


def lines(frozen: Frozen, ascii: bool = False) -> list[str]:  # noqa: A002
    return [line.strip() for line in draw(frozen, ascii).splitlines()]


def test_the_life_cycle_is_the_golden_picture() -> None:
    assert draw(lifecycle()) == GOLDEN.read_text("utf-8")


def test_the_plain_picture_is_the_same_in_ascii() -> None:
    rich, poor = draw(lifecycle()), draw(lifecycle(), ascii=True)
    assert poor.isascii()
    assert [len(line) for line in poor.splitlines()] == [len(line) for line in rich.splitlines()]
    assert re.sub(r"[─│┌┐└┘├┤┬┴┼+|-]", "", rich.translate(str.maketrans("◄►▼", "<>v"))) == re.sub(r"[+|-]", "", poor)


def test_the_plain_picture_has_the_lines_of_the_announcement() -> None:
    """So that whoever has seen that one knows this one."""
    announced = [
        "|   setsockopt(TCP_NODELAY)   |-----> [ stop if returns negative ]",
        "|     accept4()     |-----> [ stop if returns negative ]",
        "-------[ loop back to accept if positive ]-----",
    ]
    plain = draw(lifecycle(), ascii=True)
    for line in announced:
        assert line in plain


def test_a_response() -> None:
    picture = lines(response())
    assert [line.split("│")[1].strip() for line in picture if line.count("│") >= 2] == [
        "send(head, 245, MSG_MORE)",
        "sendfile(file, 0, 1048576)",
        "shutdown(SHUT_WR)",
        "discard(65536)",
    ]
    assert sum(line.endswith("► [ stop if returns negative ]") for line in picture) == 2
    assert picture[-1] == "└────► [ end ]"


def one(**how: object) -> list[str]:
    """The picture of one atom among three others, less the end below the last."""
    c = Chain("one", budget=9)
    i = c.int("i")
    c.umem_add(i, 1, label="before")
    c.umem_add(i, 2, label="tried", **how)  # type: ignore[arg-type]
    c.umem_add(i, 3, label="between")
    c.umem_add(i, 4, label="after")
    return lines(c.freeze())[:-1]


WAYS: list[tuple[dict[str, object], str]] = [
    ({"stop_on": "negative"}, "[ stop if returns negative ]"),
    ({"stop_on": ("zero", "nonzero")}, "[ stop ]"),
    ({"next": "tried"}, "[ loop ]"),
    ({"next": "tried", "stop_on": "non_positive"}, "[ loop while positive ]"),
    ({"next": "before", "stop_on": "negative"}, "[ loop back to before if not negative ]"),
    ({"next": "before", "stop_on": "zero", "on_stop": "between"}, "[ loop back to before if nonzero ]"),
    ({"next": "after", "stop_on": "nonzero", "on_stop": "between"}, "[ on to after if zero ]"),
    ({"next": "after"}, "[ on to after ]"),
    ({"next": END}, "[ end ]"),
    ({"stop_on": "negative", "on_stop": END}, "[ end if negative ]"),
    ({"stop_on": "zero", "on_stop": "after"}, "[ on to after if zero ]"),
    ({"stop_on": "zero", "on_stop": "after", "next": "after"}, "[ on to after ]"),
]


@pytest.mark.parametrize(("how", "words"), WAYS)
def test_every_way_has_its_words(how: dict[str, object], words: str) -> None:
    assert sum(words in line for line in one(**how)) == 1


def test_a_skip_to_the_next_atom_is_but_the_arrow_down() -> None:
    assert one(stop_on="zero", on_stop="between") == one()


def test_both_ways_may_lead_away() -> None:
    picture = "\n".join(one(stop_on="zero", on_stop="after", next="before"))
    assert "[ on to after if zero ]" in picture
    assert "[ loop back to before if nonzero ]" in picture


def test_how_an_atom_is_carried_out_is_told() -> None:
    assert any("umem_add(i, 2) ASYNC" in line for line in one(flags=flags.ASYNC))


def test_constants_have_their_names() -> None:
    c = Chain("names")
    fd, buffer = c.param("fd"), c.buffer(8)
    c.setsockopt(fd, socket.SOL_SOCKET, socket.SO_KEEPALIVE, buffer, 4)
    c.setsockopt(fd, 12345, 1, buffer, 4)
    c.recv(fd, buffer, 8, socket.MSG_PEEK | 0x10000000)
    c.recv(fd, buffer, 8, 0)
    c.shutdown(fd, 9)
    c.openat2(fd, c.data("näme\n".encode() + b"\0"), buffer, 24, ret=c.fd("file"))
    frozen = c.freeze()
    assert [telling(frozen, atom) for atom in frozen.atoms] == [
        "setsockopt(SO_KEEPALIVE)",
        "setsockopt(1)",
        "recv(buffer, 8, MSG_PEEK|0x10000000)",
        "recv(buffer, 8)",
        "shutdown(9)",
        'openat2("n\\xe4me\\n")',
    ]


def test_long_names_are_cut_and_lanes_without_room_are_left_out() -> None:
    long = "a_label_that_is_much_longer_than_any_picture_has_room_for"
    c = Chain("long", budget=99)
    i = c.int(long * 2)
    for n in range(30):
        c.umem_add(i, n, label=f"{long}_{n}", stop_on="zero", on_stop=f"{long}_{(n * 7) % 30}", next=f"{long}_{29 - n}")
    picture = draw(c.freeze())
    assert max(map(len, picture.splitlines())) <= COLUMNS
    assert picture.count("umem_add(") == 30


@QUICK
@given(chains())
def test_any_chain_fits_and_shows_every_call(frozen: Frozen) -> None:
    shown = [atom for atom in frozen.atoms if not atom.landing]
    for ascii_only in False, True:
        picture = draw(frozen, ascii_only)
        assert all(len(line) <= COLUMNS and line == line.rstrip() for line in picture.splitlines())
        side = "|" if ascii_only else "│"
        boxes = re.findall(rf"^  (\w+) .*?{re.escape(side)} +(\w+)\(", picture, re.M)
        assert boxes == [(atom.label, atom.call.name) for atom in shown]


@QUICK
@given(chains())
def test_any_listing_has_a_line_an_atom(frozen: Frozen) -> None:
    listed = [line.split() for line in dump(frozen).splitlines()]
    assert [(words[0], words[1]) for words in listed] == [
        (str(number), atom.label) for number, atom in enumerate(frozen.atoms)
    ]
    assert all(words[2].startswith(f"{atom.call.name}(") for words, atom in zip(listed, frozen.atoms, strict=True))
    for atom in frozen.atoms:
        assert sum(atom.label in words for words in listed) == 1


def test_a_listing() -> None:
    stop_and_skip = "STOP_ON_NON_POSITIVE|SKIP_TO_NEXT_ON_STOP"
    assert dump(lifecycle()).splitlines()[2:5] == [
        f"2  read          recv_head(connection)                = head        -> 4  {stop_and_skip}",
        "3  read>close    umem_add(scratch, 0)                               -> 7",
        f"4  decide        decide(head)                         = decision    -> 6  {stop_and_skip}",
    ]
