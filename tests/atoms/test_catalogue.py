"""The white list as people read it: complete, and the same in docs/calls.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuxpy.atoms import CALLS, Call
from tuxpy.atoms.calls import REFUSED
from tuxpy.atoms.catalogue import RULES, rule, table

PAGE = Path(__file__).parents[2] / "docs" / "calls.md"


def test_the_page_has_the_table_as_it_is() -> None:
    text = PAGE.read_text("utf-8")
    assert text.endswith(f"\n\n{table()}"), "put what `tuxpy chain --calls` prints at its end"


@pytest.mark.parametrize("call", [call for call in CALLS.values() if not call.http], ids=lambda call: call.name)
def test_every_call_has_its_line(call: Call) -> None:
    (line,) = [line for line in table().splitlines() if line.startswith(f"| {call.number} | {call.name}(")]
    assert rule(call) in line
    assert (call.opcode or "none") in line
    assert all(f"{name.rstrip('_')}: " in line for name in call.parameters)


def test_nothing_has_a_rule_that_is_not_there() -> None:
    assert RULES.keys() <= CALLS.keys()


def test_what_is_refused_is_named_with_its_reason() -> None:
    for name, why in REFUSED.items():
        assert any(name in line and why in line for line in table().splitlines())


def test_the_table_is_plain() -> None:
    assert table().isascii()
