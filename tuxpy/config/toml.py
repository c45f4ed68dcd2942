"""TOML: the library, whichever Python has it, and the lines on which keys stand, which it does not tell.

A statement of TOML ends with its line, but for lists and texts of several lines; and each is sound TOML by itself. So
the text is cut into the smallest pieces that parse, and each piece says by its own value which keys it is about.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, TypeAlias

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Path: TypeAlias = "tuple[str | int, ...]"  # keys, and places in arrays of tables

_CLOSING = ("]", "}", '"""', "'''")  # what begins on a line and ends on a later one ends with one of these

Fault = tomllib.TOMLDecodeError


def parse(text: str) -> dict[str, Any]:
    """The tables of a text; raises Fault."""
    tables: dict[str, Any] = tomllib.loads(text)
    return tables


def lines_of(text: str) -> dict[Path, int]:
    """The line on which each key and table begins, for a text that parses as a whole."""
    found: dict[Path, int] = {}
    last: dict[Path, int] = {}  # the place of the last table in each array of tables
    table: Path = ()
    begin, chunk = 1, ""
    for number, line in enumerate(text.split("\n"), 1):
        begin = begin if chunk else number
        inside = chunk != ""
        chunk += line + "\n"
        if inside and not any(sign in line for sign in _CLOSING):
            continue
        try:
            said = tomllib.loads(chunk)
        except Fault:
            continue
        if chunk.lstrip().startswith("["):
            table = _table(said, last)
            for length in range(1, len(table) + 1):
                found.setdefault(table[:length], begin)
        else:
            _note(said, table, begin, found)
        chunk = ""
    return found


def _table(said: Mapping[str, Any], last: dict[Path, int]) -> Path:
    """The table that a header opens: [a.b] says {a: {b: {}}}, and [[a.b]] says {a: {b: [{}]}}."""
    table: Path = ()
    inner: Any = said
    while inner:
        name, inner = next(iter(inner.items()))
        table += (name,)
        if isinstance(inner, list):
            last[table] = last.get(table, -1) + 1
            inner = inner[0]
        if table in last:
            table += (last[table],)
    return table


def _note(said: Any, path: Path, line: int, found: dict[Path, int]) -> None:
    pairs = said.items() if isinstance(said, dict) else enumerate(said) if isinstance(said, list) else ()
    for name, inner in pairs:
        found.setdefault((*path, name), line)
        _note(inner, (*path, name), line, found)
