"""Stop conditions against their definition, and the numbers that 2007 and csrc/chain/atom.h gave them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxpy.atoms import flags as f

from .strategies import QUICK

CSRC = Path(__file__).parents[2] / "csrc"

DEFINITION: dict[int, Callable[[int], bool]] = {
    f.STOP_ON_NONZERO: lambda result: result != 0,
    f.STOP_ON_ZERO: lambda result: result == 0,
    f.STOP_ON_NEGATIVE: lambda result: result < 0,
    f.STOP_ON_NON_POSITIVE: lambda result: result <= 0,
}


@QUICK
@given(st.integers(0, f.ALL), st.one_of(st.integers(-2, 2), st.integers()))
def test_stops_is_its_definition(flags: int, result: int) -> None:
    assert f.stops(flags, result) is any(holds(result) for bit, holds in DEFINITION.items() if flags & bit)


@pytest.mark.parametrize("result", [-1, 0, 1])
def test_without_a_condition_nothing_stops(result: int) -> None:
    assert not f.stops(f.ALL & ~f.STOP_ON_ANY, result)


def test_values_are_those_of_c() -> None:
    declared = dict(re.findall(r"SYSLET_(\w+) = (0x\w+)", (CSRC / "chain" / "atom.h").read_text("utf-8")))
    assert {name: int(value, 16) for name, value in declared.items() if name != "FLAGS_ALL"} == {
        name: value for name, value in vars(f).items() if name in declared
    }
    assert int(declared["FLAGS_ALL"], 16) == f.ALL


def test_reasons_are_those_of_c() -> None:
    names = re.findall(r"TUX_REASON_(\w+)", (CSRC / "api.h").read_text("utf-8").split("};")[0])
    assert [reason.name for reason in f.Reason] == names
    assert [reason.value for reason in f.Reason] == list(range(len(names)))
