"""A chain as a text that can be read again, and the difference between two of them.

    chain copy budget 0
    cell from const 0 param
    cell room buffer 4096
    cell hello data 68656c6c6f00
    atom read read(from, room, 4096) = size -> write STOP_ON_NON_POSITIVE
    atom write write(to, room, size) -> read

One line for the chain, one for each cell, one for each atom, in order. Cells that are plain constants stand as numbers;
an atom without an arrow ends the run. What has been read is checked like any other chain.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Final

from . import flags as f
from .calls import Atom
from .cells import Cell, Kind
from .check import ChainError, Frozen, call_named, check
from .words import flag_names

_NAME: Final = r"[^\s(),]+"
_CELL: Final = re.compile(rf"cell ({_NAME}) (int|const|fd|data|buffer|shared)(?: (-?[0-9]+|[0-9a-f]+))?( param)?")
_ATOM: Final = re.compile(
    rf"(atom|landing) ({_NAME}) ([a-z0-9_]+)\(((?:{_NAME}(?:, {_NAME})*)?)\)"
    rf"(?: = ({_NAME}))?(?: -> ({_NAME}))?(?: ([A-Z_|]+))?"
)
_FLAGS: Final = {
    **f.MANNER,
    **{f"STOP_ON_{name.upper()}": bit for name, bit in f.STOP_ON.items()},
    "SKIP_TO_NEXT_ON_STOP": f.SKIP_TO_NEXT_ON_STOP,
}


def write(frozen: Frozen) -> str:
    """The text of a chain. ChainError where names do not tell its cells or atoms apart."""
    _told_apart(frozen, "cell", [cell.name for cell in frozen.cells])
    _told_apart(frozen, "atom", [atom.label for atom in frozen.atoms])
    lines = [f"chain {frozen.name} budget {frozen.budget}"]
    lines += [_cell_line(cell) for cell in frozen.cells]
    lines += [_atom_line(frozen, atom) for atom in frozen.atoms]
    return "\n".join(lines) + "\n"


def _told_apart(frozen: Frozen, what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1 or not re.fullmatch(_NAME, name):
            fault = "two have this name, or it holds a blank, a comma or a bracket"
            raise ChainError(frozen.name, f"{what} {name}", fault, "give it a plain name of its own")


def _cell_line(cell: Cell) -> str:
    value = {Kind.DATA: cell.content.hex(), Kind.FD: ""}.get(cell.kind, str(cell.value))
    words = ["cell", cell.name, cell.kind.name.lower(), value, "param" if cell.param else ""]
    return " ".join(word for word in words if word)


def _atom_line(frozen: Frozen, atom: Atom) -> str:
    args = ", ".join(frozen.cells[number].name for number in atom.args)
    line = f"{'landing' if atom.landing else 'atom'} {atom.label} {atom.call.name}({args})"
    if atom.ret is not None:
        line += f" = {frozen.cells[atom.ret].name}"
    if atom.next is not None:
        line += f" -> {frozen.atoms[atom.next].label}"
    return f"{line} {flag_names(atom.flags)}".rstrip()


def read(text: str) -> Frozen:
    """The chain of a text, checked. ChainError names the line that is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    head = re.fullmatch(rf"chain ({_NAME}) budget ([0-9]+)", lines[0] if lines else "")
    if head is None:
        raise ChainError("text", "line 1", "it does not begin with a chain", 'write "chain NAME budget STEPS" first')
    name, budget = head[1], int(head[2])
    cells: list[Cell] = []
    found: list[re.Match[str]] = []
    for line in lines[1:]:
        if (cell := _CELL.fullmatch(line)) and not found:
            cells.append(_cell_of(name, line, cell, len(cells)))
        elif atom := _ATOM.fullmatch(line):
            found.append(atom)
        else:
            raise ChainError(name, repr(line), "this is not a line of a chain", "write cells, then atoms")
    by_name = {cell.name: cell.number for cell in cells}
    labels = {atom[2]: number for number, atom in enumerate(found)}
    return check(Frozen(name, tuple(_atom_of(name, atom, by_name, labels) for atom in found), tuple(cells), budget))


def _cell_of(chain: str, line: str, found: re.Match[str], number: int) -> Cell:
    kind, value, param = Kind[found[2].upper()], found[3] or "", bool(found[4])
    try:
        if kind is Kind.DATA:
            return Cell(number, kind, found[1], 0, bytes.fromhex(value), param)
        return Cell(number, kind, found[1], -1 if kind is Kind.FD else int(value or "0"), b"", param)
    except ValueError:
        fault, mend = f"{value} is not a value of a {found[2]}", "give a number, or bytes as two digits each"
        raise ChainError(chain, repr(line), fault, mend) from None


def _atom_of(chain: str, found: re.Match[str], cells: dict[str, int], labels: dict[str, int]) -> Atom:
    kind, label, call, args, ret, following, names = found.groups()

    def known(name: str, among: dict[str, int], what: str) -> int:
        if name not in among:
            raise ChainError(chain, f"atom {label}", f"there is no {what} {name}", f"choose from {', '.join(among)}")
        return among[name]

    return Atom(
        label,
        call_named(chain, f"atom {label}", call),
        tuple(known(arg, cells, "cell") for arg in args.split(", ") if arg),
        sum(known(name, _FLAGS, "flag") for name in (names or "").split("|") if name),
        None if ret is None else known(ret, cells, "cell"),
        None if following is None else known(following, labels, "atom"),
        kind == "landing",
    )


def diff(old: Frozen, new: Frozen) -> str:
    """What makes another chain of the one: its text with - before lines that go and + before those that come.

    Nothing when they are the same chain.
    """
    return "\n".join(_changes(write(old), write(new), old.name, new.name))


def _changes(old: str, new: str, old_name: str, new_name: str) -> Iterator[str]:
    yield from difflib.unified_diff(old.splitlines(), new.splitlines(), old_name, new_name, lineterm="", n=1)
