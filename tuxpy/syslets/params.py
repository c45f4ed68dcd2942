"""What a program gives, as what a chain takes: paths, bytes, files and numbers become cells and their bytes."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from itertools import chain as chain_of
from typing import Any, Final, Protocol, TypeAlias

from ..atoms import Chain, Frozen, Kind
from ..atoms.check import NUMBER_MAX, NUMBER_MIN
from ..values import value_class


class _File(Protocol):
    def fileno(self) -> int: ...


Given: TypeAlias = "int | str | bytes | bytearray | memoryview | os.PathLike[str] | os.PathLike[bytes] | _File"


def chain(function: Callable[[Chain], object]) -> Frozen:
    """The chain that a function writes, called like it:

    @chain
    def hello(c: Chain) -> None:
        c.write(1, c.data(b"hello\\n"), 6)
    """
    builder = Chain(function.__name__)
    function(builder)
    return builder.freeze()


def number(value: Given) -> int:
    """A number, or the descriptor of whatever has one."""
    if isinstance(value, int):
        if NUMBER_MIN <= value <= NUMBER_MAX:
            return value + 0
        raise ValueError(f"{value} does not fit into 64 bits")
    if hasattr(value, "fileno"):
        return int(value.fileno())
    raise TypeError(f"{value!r} is neither a number nor a file")


def content(value: Given) -> bytes:
    """Bytes; of a str or a path those that the file system has for it."""
    if isinstance(value, str | os.PathLike):
        return os.fsencode(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise TypeError(f"{value!r} is neither bytes nor a path")


@value_class(frozen=True, slots=True)
class Packed:
    """The values of many runs, as C takes them: numbers run by run, bytes one piece after the other."""

    runs: int
    numbers: array[int]
    fill_cells: array[int]
    ends: array[int]  # of the pieces in `bytes`
    bytes: bytes


class Layout:
    """Where the values of a submission go: params in order, and bytes in the chain's data."""

    def __init__(self, frozen: Frozen) -> None:
        self.frozen = frozen
        self.params = [cell.name for cell in frozen.params]
        paths = {n for a in frozen.atoms for k, n in zip(a.call.kinds, a.args, strict=True) if k == "z"}
        self._data = {c.name: (c, c.number in paths) for c in frozen.cells if c.kind is Kind.DATA}

    def pack(self, columns: Mapping[str, Sequence[Given]], runs: int) -> Packed:
        """columns: for each name a value for each run. TypeError and ValueError say what does not fit."""
        wrong = self.params - columns.keys() or columns.keys() - self.params - self._data.keys()
        for name in sorted(wrong):
            state = f"the param {name} is missing" if name in self.params else f"there is no {name} to give"
            raise TypeError(f"chain {self.frozen.name}: {state}")
        numbers = _interleaved([_numbers(columns[name]) for name in self.params])
        filled = [name for name in columns if name in self._data]
        if not filled:
            return Packed(runs, numbers, _NO_CELLS, _NO_ENDS, b"")
        lengths, pieces = zip(*[self._pieces(name, columns[name]) for name in filled], strict=True)
        cells = array("H", [self._data[name][0].number for name in filled])
        if len(filled) == 1:
            blob = pieces[0] if isinstance(pieces[0], bytes) else b"".join(pieces[0])
        else:
            listed = [_apart(piece, length) for piece, length in zip(pieces, lengths, strict=True)]
            blob = b"".join(chain_of.from_iterable(zip(*listed, strict=True)))
        if len(blob) >= 1 << 32:
            raise ValueError("more than 4 GiB in one submission")
        return Packed(runs, numbers, cells, array("I", accumulate(_interleaved(lengths))), blob)

    def _pieces(self, name: str, column: Sequence[Given]) -> tuple[array[int], bytes | list[bytes]]:
        """The lengths of a column's values, and the values, joined where that was quickest."""
        cell, is_path = self._data[name]
        pieces: bytes | list[bytes]
        try:  # most are paths of plain letters
            joined = "".join(column)  # type: ignore[arg-type]
            lengths = array("I", map(len, column))  # type: ignore[arg-type]
            pieces = joined.encode("ascii")
        except (TypeError, UnicodeEncodeError):
            pieces = list(map(content, column))
            lengths = array("I", map(len, pieces))
        room = cell.size - is_path
        if max(lengths, default=0) > room:
            raise ValueError(f"{max(lengths)} bytes for {name}, which has room for {room}")
        if is_path and b"\0" in (pieces if isinstance(pieces, bytes) else b"".join(pieces)):
            raise ValueError("a path cannot hold a zero byte")
        return lengths, pieces


_NO_CELLS: Final = array("H")
_NO_ENDS: Final = array("I")


def _numbers(column: Sequence[Given]) -> array[int]:
    try:
        return array("q", column)  # type: ignore[arg-type]
    except (TypeError, OverflowError):
        return array("q", map(number, column))


def _interleaved(columns: Sequence[array[int]]) -> array[int]:
    """The first of each, the second of each, and so on."""
    if len(columns) == 1:
        return columns[0]
    rows = array(columns[0].typecode if columns else "q", bytes(sum(len(c) * c.itemsize for c in columns)))
    for place, column in enumerate(columns):
        rows[place :: len(columns)] = column
    return rows


def _apart(pieces: bytes | list[bytes], lengths: array[int]) -> Iterable[bytes]:
    if not isinstance(pieces, bytes):
        return pieces
    ends = list(accumulate(lengths))
    return (pieces[end - length : end] for end, length in zip(ends, lengths, strict=True))


def columns_of(rows: Iterable[Mapping[str, Given]]) -> tuple[dict[str, Sequence[Given]], int]:
    """Rows as columns. All rows have the same names."""
    listed = list(rows)
    if not listed:
        return {}, 0
    names = listed[0].keys()
    if any(row.keys() != names for row in listed):
        raise TypeError("every row must give the same names")
    return {name: [row[name] for row in listed] for name in names}, len(listed)


def single(params: Mapping[str, Given]) -> dict[str, Sequence[Given]]:
    """The columns of one run."""
    return {name: (value,) for name, value in params.items()}


def broadcast(columns: Mapping[str, Any]) -> tuple[dict[str, Sequence[Given]], int]:
    """Columns as they are, single values repeated: the lists and ranges among them say how many runs there are."""
    lengths = {len(c) for c in columns.values() if isinstance(c, list | tuple | range | array)}
    if len(lengths) != 1:
        fault = "lists of one length are wanted" if lengths else "a list is wanted, whose length is the number of runs"
        raise TypeError(fault)
    (runs,) = lengths
    return {
        name: column if isinstance(column, list | tuple | range | array) else [column] * runs
        for name, column in columns.items()
    }, runs
