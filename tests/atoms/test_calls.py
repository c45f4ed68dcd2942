"""The white list: the same table in C, in the methods of the builder, in the reference and in the drawings."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from tuxpy.atoms import CALLS, Call, system
from tuxpy.atoms.calls import REFUSED, WANTED
from tuxpy.atoms.shortcuts import Shortcuts
from tuxpy.atoms.words import TELLING

CALLS_DEF = Path(__file__).parents[2] / "csrc" / "chain" / "calls.def"


def test_c_has_the_same_table() -> None:
    lines = re.findall(r'^CALL\((\d+), (\w+), "(\w*)", ([01]), ([01])\)', CALLS_DEF.read_text("utf-8"), re.M)
    in_c = [(int(number), name, kinds, waits == "1", fd == "1") for number, name, kinds, waits, fd in lines]
    assert in_c == [(c.number, c.name, c.kinds, c.waits, c.makes_fd) for c in CALLS.values()]


def test_every_kind_has_its_rule() -> None:
    assert {kind for call in CALLS.values() for kind in call.kinds} == set(WANTED)


def test_a_length_stands_behind_its_memory() -> None:
    for call in CALLS.values():
        assert not re.search(r"(^|[^rw])n", call.kinds), call.name


def test_nothing_is_both_allowed_and_refused() -> None:
    assert not CALLS.keys() & REFUSED.keys()


@pytest.mark.parametrize("call", CALLS.values(), ids=lambda call: call.name)
def test_the_builder_has_a_method_for_it(call: Call) -> None:
    signature = inspect.signature(getattr(Shortcuts, call.name))
    _, *fixed, how = signature.parameters.values()
    assert tuple(parameter.name for parameter in fixed) == call.parameters
    assert all(parameter.kind is parameter.POSITIONAL_ONLY for parameter in fixed)
    assert (how.name, how.kind) == ("how", how.VAR_KEYWORD)
    # Only memory and what is changed or closed must be a cell; anything else may be a plain number.
    wanted = ["Argument" if kind in "fin" else "Cell" for kind in call.kinds]
    assert [parameter.annotation for parameter in fixed] == wanted


def test_the_builder_has_no_other_methods() -> None:
    assert {name for name in vars(Shortcuts) if not name.startswith("_")} == {"add", *CALLS}


def test_the_reference_makes_all_but_the_calls_of_http() -> None:
    assert system.CALLS.keys() == {call.name for call in CALLS.values() if not call.http}


def test_the_reference_takes_the_arguments_of_the_table() -> None:
    """One for every argument but the lengths."""
    for name, function in system.CALLS.items():
        call = CALLS[name]
        expected = [p for p, kind in zip(call.parameters, call.kinds, strict=True) if kind != "n"]
        given = list(inspect.signature(function).parameters)
        assert given == (["value", expected[1]] if name in ("umem_add", "umem_sub") else expected)


def test_drawings_know_what_tells_something() -> None:
    assert TELLING.keys() == CALLS.keys()
    for name, parameters in TELLING.items():
        assert set(parameters) <= set(CALLS[name].parameters)
