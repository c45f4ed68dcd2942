"""The builder: labels, branches and landing atoms, cells, and its refusals."""

from __future__ import annotations

import enum

import pytest

from tuxpy.atoms import END, Cell, Chain, ChainError, Kind, flags
from tuxpy.atoms.reference import run


def refusal(error: pytest.ExceptionInfo[ChainError]) -> tuple[str, str, str]:
    return error.value.where, error.value.fault, error.value.mend


def test_atoms_follow_one_another() -> None:
    c = Chain("line")
    i = c.int("i")
    c.umem_add(i, 1)
    c.umem_add(i, 2)
    assert [(atom.label, atom.next) for atom in c.freeze().atoms] == [("umem_add", 1), ("umem_add_2", None)]


def test_next_names_any_label_or_the_end() -> None:
    c = Chain("jumps", budget=9)
    i = c.int("i")
    c.umem_add(i, 1, label="first", next="third")
    c.umem_add(i, 2, label="second", next=END)
    c.umem_add(i, 3, label="third", next="second")
    assert [atom.next for atom in c.freeze().atoms] == [2, None, 1]
    assert run(c.freeze()).result == 6


def test_conditions_become_flags() -> None:
    c = Chain("stops")
    c.umem_add(c.int("i"), 1, stop_on=("zero", "negative"), flags=flags.NO_COMPLETE)
    assert c.freeze().atoms[0].flags == flags.STOP_ON_ZERO | flags.STOP_ON_NEGATIVE | flags.NO_COMPLETE


def test_a_skip_to_the_next_atom_needs_no_landing() -> None:
    c = Chain("skip", budget=9)
    i = c.int("i")
    c.umem_add(i, 1, label="again", stop_on="zero", on_stop="after", next="again")
    c.umem_add(i, 0, label="after")
    atoms = c.freeze().atoms
    assert len(atoms) == 2
    assert atoms[0].flags & flags.SKIP_TO_NEXT_ON_STOP


def test_a_skip_elsewhere_lands() -> None:
    c = Chain("branch")
    i = c.int("i", 5)
    c.umem_add(i, -5, label="test", stop_on="zero", on_stop="far")
    c.umem_add(i, 100, label="near")
    c.umem_add(i, 1, label="far")
    frozen = c.freeze()
    test, landing, near, _ = frozen.atoms
    assert (test.next, landing.next, near.next) == (2, 3, 3)
    assert landing.landing
    assert not near.landing
    assert landing.label == "test>far"
    assert frozen.cells[landing.args[0]].name == "scratch"
    assert run(frozen).result == 1


def test_a_skip_from_the_last_atom_may_go_to_the_end_or_back() -> None:
    for target, result in (END, 0), ("start", 1):
        c = Chain("last", budget=4)
        i = c.int("i", -1)
        c.umem_add(i, 1, label="start", stop_on="zero", on_stop=target)
        frozen = c.freeze()
        assert frozen.atoms[1].landing
        assert run(frozen).result == result


def test_landing_atoms_share_one_cell_and_freezing_twice_changes_nothing() -> None:
    c = Chain("twice")
    c.buffer(8, "scratch")  # the name is taken, by something that cannot be added to
    i = c.int("i")
    c.umem_add(i, 1, label="a", stop_on="zero", on_stop=END)
    c.umem_add(i, 1, label="b", stop_on="zero", on_stop=END)
    first = c.freeze()
    assert first.atoms[1].args[0] == first.atoms[3].args[0]
    assert c.freeze() == first


def test_equal_constants_are_one_cell() -> None:
    class Number(enum.IntEnum):
        SEVEN = 7

    c = Chain("constants")
    i = c.int("i")
    c.umem_add(i, 7)
    c.umem_add(i, Number.SEVEN)
    frozen = c.freeze()
    assert [cell.value for cell in frozen.cells if cell.kind is Kind.CONST] == [7]
    assert type(frozen.cells[1].value) is int


def test_names_stay_apart() -> None:
    c = Chain("names")
    assert [c.data(b"a").name, c.data(b"b").name, c.data(b"c").name] == ["data", "data_2", "data_3"]


def test_labels_and_params_are_found_by_name() -> None:
    c = Chain("found")
    given = c.param("given")
    c.umem_add(given, 1, label="here")
    frozen = c.freeze()
    assert frozen.labels == {"here": 0}
    assert frozen.params == (given,)


def test_the_builder_may_go_on_after_freezing() -> None:
    c = Chain("more")
    i = c.int("i")
    c.umem_add(i, 1)
    short = c.freeze()
    c.umem_add(i, 1)
    assert (len(short.atoms), len(c.freeze().atoms)) == (1, 2)


@pytest.mark.parametrize("label", ["taken", END, "two words", ""])
def test_refuses_a_label(label: str) -> None:
    c = Chain("labels")
    i = c.int("i")
    c.umem_add(i, 1, label="taken")
    with pytest.raises(ChainError) as error:
        c.umem_add(i, 1, label=label)
    assert refusal(error)[1:] == (f"the label {label} is taken or is not a plain word", "choose another")


@pytest.mark.parametrize("way", ["next", "on_stop"])
def test_refuses_an_unknown_label(way: str) -> None:
    c = Chain("labels")
    c.add("umem_add", c.int("i"), 1, label="only", stop_on="zero", **{way: "nowhere"})  # type: ignore[arg-type]
    with pytest.raises(ChainError) as error:
        c.check()
    assert refusal(error) == ("atom only", "there is no label nowhere", "the labels are end, only")


def test_refuses_on_stop_without_a_condition() -> None:
    c = Chain("stops")
    with pytest.raises(ChainError) as error:
        c.umem_add(c.int("i"), 1, on_stop=END)
    assert refusal(error) == ("atom umem_add", "on_stop, but nothing stops it", "add stop_on")


def test_refuses_the_cell_of_another_chain() -> None:
    foreign: Cell = Chain("other").int("i")
    c = Chain("own")
    c.int("j")
    with pytest.raises(ChainError) as error:
        c.umem_add(foreign, 1)
    assert refusal(error) == ("atom umem_add", "the number i belongs to another chain", "make a cell of this chain")


def test_a_refusal_is_one_sentence() -> None:
    c = Chain("greet")
    with pytest.raises(ChainError) as error:
        c.umem_add(c.int("i"), 1, on_stop=END)
    assert str(error.value) == "chain greet, atom umem_add: on_stop, but nothing stops it; add stop_on"
