"""A chain as text: drawn the way the announcement of 2007 drew one, or listed atom by atom.

The drawing is read from top to bottom. A box is an atom; where the run goes on at the next box an arrow leads down.
What stops the run stands at the right of its box. Whatever goes elsewhere, back or onward, leaves at the right too (a
stop condition that skips) or below (the atom's `next`) and travels in a lane beside the boxes to the box it names. A
lane serves one box, whoever comes. Where a hundred columns have no room for it, the words alone say where to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from . import flags as f
from .calls import Atom
from .canvas import Canvas
from .check import Frozen
from .words import flag_names, if_result, landed, plain, signs, telling

COLUMNS: Final = 100
_LABEL_MOST: Final = 12  # letters of a label in a drawing; the listing has them all
_TEXT_MOST: Final = 40  # letters in a box
_HALF_LEAST: Final = 10  # columns from the axis to the side of the smallest box
_ARROW: Final = 7  # columns from where a way begins to its words
_APART: Final = 3  # columns between two lanes


@dataclass(slots=True)
class _Way:
    """A way out of a box that does not simply lead down; `target` is the number of an atom, None the end of the run."""

    words: str
    target: int | None
    row: int = 0
    column: int = 0

    @property
    def right(self) -> int:
        return self.column + _ARROW + len(self.words)


@dataclass(slots=True)
class _Box:
    """An atom that is drawn, with at most one way at its right and one below it."""

    number: int
    label: str
    text: str
    falls: bool  # an arrow leads down to the next box
    side: _Way | None
    below: _Way | None
    top: int = 0

    @property
    def ways(self) -> list[_Way]:
        return [way for way in (self.side, self.below) if way is not None]


@dataclass(slots=True)
class _Lane:
    """The line beside the boxes that leads to one of them."""

    target: _Box
    ways: list[_Way] = field(default_factory=list)
    column: int = 0

    @property
    def top(self) -> int:
        return min(self.target.top - 1, *(way.row for way in self.ways))

    @property
    def bottom(self) -> int:
        return max(self.target.top - 1, *(way.row for way in self.ways))


def dump(frozen: Frozen) -> str:
    """One line an atom: number, label, call, result cell, next atom, flags."""
    rows = [_listed(frozen, number, atom) for number, atom in enumerate(frozen.atoms)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows
    )


def _listed(frozen: Frozen, number: int, atom: Atom) -> tuple[str, ...]:
    args = ", ".join(frozen.cells[n].name for n in atom.args)
    ret = "" if atom.ret is None else f"= {frozen.cells[atom.ret].name}"
    following = "end" if atom.next is None else str(atom.next)
    return str(number), atom.label, f"{atom.call.name}({args})", ret, f"-> {following}", flag_names(atom.flags)


def draw(frozen: Frozen, ascii: bool = False) -> str:  # noqa: A002, the word says it
    """The picture; `ascii` leaves out the signs that an old terminal does not have."""
    boxes = _boxes(frozen)
    axis = _place(boxes)
    lanes = _lanes(boxes, axis)
    canvas = Canvas()
    for box in boxes:
        _draw_box(canvas, box, axis)
    lane_of = {lane.target.number: lane for lane in lanes}
    for box in boxes:
        for way in box.ways:
            _draw_way(canvas, way, lane_of.get(way.target) if way.target is not None else None)
    for lane in lanes:
        canvas.down(lane.column, lane.top, lane.bottom)
        canvas.across(lane.target.top - 1, axis + 1, lane.column)
        canvas.head(lane.target.top - 1, axis + 1, "<")
        canvas.head(lane.target.top - 1, axis, "v")
    return canvas.render(ascii)


# What is to be drawn.


def _boxes(frozen: Frozen) -> list[_Box]:
    shown = [number for number, atom in enumerate(frozen.atoms) if not atom.landing]
    beneath: dict[int, int | None] = dict(zip(shown, [*shown[1:], None], strict=True))
    return [_box(frozen, number, beneath[number]) for number in shown]


def _box(frozen: Frozen, number: int, beneath: int | None) -> _Box:
    """Sort the two ways out of an atom: down, at the right, below."""
    atom = frozen.atoms[number]
    stopping, going = signs(atom.flags, True), signs(atom.flags, False)
    onward = landed(frozen, atom.next)
    falls, side, below = False, None, None
    if stopping and not atom.flags & f.SKIP_TO_NEXT_ON_STOP:
        side = _Way(f"[ stop{if_result(stopping, ' if returns ')} ]", None)
    elif stopping:
        skipped = landed(frozen, number + 1)
        if skipped == onward:
            going |= stopping  # the condition makes no difference
        elif skipped is not None and skipped == beneath:
            falls = True
        else:
            side = _Way(_whither(frozen, number, skipped, if_result(stopping)), skipped)
    if going and onward is not None and onward == beneath:
        falls = True
    elif going:
        below = _Way(_whither(frozen, number, onward, if_result(going)), onward)
    return _Box(number, _clip(plain(atom.label), _LABEL_MOST), telling(frozen, atom), falls, side, below)


def _whither(frozen: Frozen, number: int, target: int | None, condition: str) -> str:
    if target is None:
        return f"[ end{condition} ]"
    if target == number:
        return f"[ loop{condition.replace(' if ', ' while ')} ]"
    way = "loop back to" if target < number else "on to"
    return f"[ {way} {_clip(plain(frozen.atoms[target].label), _LABEL_MOST)}{condition} ]"


def _clip(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 2] + ".."


# Where it goes.


def _place(boxes: list[_Box]) -> int:
    """Give every box and way its row and column; the answer is the column of the axis, on which all boxes hang."""
    margin = 2 + max(len(box.label) for box in boxes) + 2
    beside = max(_ARROW + len(box.side.words) if box.side else 0 for box in boxes)
    most = min(_TEXT_MOST, COLUMNS - margin - beside - 9)
    for box in boxes:
        box.text = _clip(box.text, most)
    axis = margin + max(map(_half, boxes))
    targets = {way.target for box in boxes for way in box.ways}
    row = 1 if boxes[0].number in targets else 0
    for box in boxes:
        box.top, row = row, row + 5
        if box.side:
            box.side.row, box.side.column = box.top + 1, axis + _half(box) + 1
        if box.below:
            box.below.row, box.below.column = box.top + 4, axis + (4 if box.falls else 0)
            row += 1
    return axis


def _half(box: _Box) -> int:
    """Columns from the axis to the side of the box; there are three blanks at least around the text."""
    return max(_HALF_LEAST, (len(box.text) + 8) // 2)


def _lanes(boxes: list[_Box], axis: int) -> list[_Lane]:
    """The lanes that have room, the shortest next to the boxes."""
    by_number = {box.number: _Lane(box) for box in boxes}
    for box in boxes:
        for way in box.ways:
            if way.target is not None:
                by_number[way.target].ways.append(way)
    placed: list[_Lane] = []
    for lane in sorted((lane for lane in by_number.values() if lane.ways), key=lambda lane: lane.bottom - lane.top):
        passed = [way.right for box in boxes for way in box.ways if lane.top <= way.row <= lane.bottom]
        passed += [axis + _half(box) for box in boxes if lane.top < box.top + 3 and box.top <= lane.bottom]
        lane.column = max(passed) + _APART
        beside = [other for other in placed if other.top <= lane.bottom and lane.top <= other.bottom]
        for other in sorted(beside, key=lambda other: other.column):
            if abs(other.column - lane.column) < _APART:
                lane.column = other.column + _APART
        if lane.column < COLUMNS:
            placed.append(lane)
    return placed


# Drawing it.


def _draw_box(canvas: Canvas, box: _Box, axis: int) -> None:
    half = _half(box)
    canvas.write(box.top + 1, 2, box.label)
    canvas.box(box.top, axis - half, axis + half, box.text)
    arrives = box.top + (5 if box.below else 4)
    if box.falls:
        canvas.down(axis, box.top + 3, arrives)
        canvas.head(arrives, axis, "v")
    if box.below:
        canvas.down(box.below.column, box.top + 3, box.below.row)


def _draw_way(canvas: Canvas, way: _Way, lane: _Lane | None) -> None:
    canvas.write(way.row, way.column + _ARROW, way.words)
    if lane is None:
        canvas.across(way.row, way.column, way.column + _ARROW - 2)
        canvas.head(way.row, way.column + _ARROW - 2, ">")
    else:
        canvas.across(way.row, way.column, lane.column)
