"""A chain as a graph for other programs: DOT for Graphviz, SVG for browsers.

A box is an atom; a line leads to the atom that follows, with the results for which that is so. What ends the run leads
to the dot at the foot.
"""

from __future__ import annotations

from html import escape
from typing import Final

from ..values import value_class
from . import flags as f
from .check import Frozen
from .words import if_result, landed, plain, signs, telling

_STEP: Final = 70  # pixels from box to box
_HEIGHT: Final = 34
_LETTER: Final = 8  # pixels a letter, about
_LANE: Final = 22  # from one line beside the boxes to the next


@value_class(frozen=True, slots=True)
class Edge:
    """A way from one atom to another; `target` is None where the run ends."""

    source: int
    target: int | None
    words: str


def edges(frozen: Frozen) -> list[Edge]:
    """Every way that a run can take; landing atoms are passed by."""
    found: list[Edge] = []
    for number, atom in enumerate(frozen.atoms):
        if atom.landing:
            continue
        ways: dict[int | None, frozenset[int]] = {}
        for stopping in (False, True):
            results = signs(atom.flags, stopping)
            skips = stopping and bool(atom.flags & f.SKIP_TO_NEXT_ON_STOP)
            target = number + 1 if skips else None if stopping else atom.next
            if results:
                target = landed(frozen, target)
                ways[target] = ways.get(target, frozenset()) | results
        found += [Edge(number, target, if_result(results, "")) for target, results in ways.items()]
    return found


def dot(frozen: Frozen) -> str:
    """The chain in the language of Graphviz: `dot -Tsvg`."""
    lines = [f"digraph {_quoted(frozen.name)} {{", "  node [shape=box, fontname=monospace];"]
    for number, atom in enumerate(frozen.atoms):
        if not atom.landing:
            lines.append(f"  a{number} [label={_quoted(telling(frozen, atom))}, tooltip={_quoted(atom.label)}];")
    lines.append("  end [shape=point];")
    for edge in edges(frozen):
        target = "end" if edge.target is None else f"a{edge.target}"
        lines.append(f"  a{edge.source} -> {target} [label={_quoted(edge.words)}];")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    return '"' + plain(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def svg(frozen: Frozen) -> str:
    """The chain as a picture of its own, without any program to draw it."""
    shown = [number for number, atom in enumerate(frozen.atoms) if not atom.landing]
    row = {number: at for at, number in enumerate(shown)}
    texts = {number: plain(telling(frozen, frozen.atoms[number])) for number in shown}
    half = max(60, *(len(text) * _LETTER // 2 + 14 for text in texts.values()))
    axis, foot = half + 20, len(shown) * _STEP + 24
    lines: list[str] = []
    boxes: list[str] = []
    words: list[str] = []  # above all lines, so that none crosses out a letter
    lane = axis + half + 14
    for edge in edges(frozen):
        start = row[edge.source] * _STEP + 20 + _HEIGHT
        end = foot if edge.target is None else row[edge.target] * _STEP + 20
        straight = edge.target is not None and row[edge.target] == row[edge.source] + 1
        straight |= edge.target is None and edge.source == shown[-1]
        if straight:
            lines.append(_path(f"M{axis} {start} V{end}"))
            words.append(_text(axis + 6, start + 16, edge.words, "start"))
            continue
        side, into = start - _HEIGHT // 2, end + (0 if edge.target is None else _HEIGHT // 2 - 6)
        edge_of_box = 4 if edge.target is None else half
        lines.append(_path(f"M{axis + half} {side} H{lane} V{into} H{axis + edge_of_box}"))
        words.append(_text(lane + 6, side + 14, edge.words, "start"))
        lane += _LANE
    for number in shown:
        top = row[number] * _STEP + 20
        box = f'x="{axis - half}" y="{top}" width="{2 * half}" height="{_HEIGHT}"'
        boxes.append(f'<rect {box} rx="4" fill="#fff" stroke="#222"/>')
        words.append(_text(axis, top + 21, texts[number], "middle"))
    boxes.append(f'<circle cx="{axis}" cy="{foot}" r="4"/>')
    width, height = lane + 120, foot + 20
    parts = [part for part in (*lines, *boxes, *words) if part]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="monospace" font-size="13" style="background:#fff"><title>'
        + escape(plain(frozen.name))
        + "</title>\n"
        '<defs><marker id="to" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        '<path d="M0 0L8 4L0 8z"/></marker></defs>\n'
        "<style>text{paint-order:stroke;stroke:#fff;stroke-width:5px;stroke-linejoin:round}</style>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _path(drawn: str) -> str:
    return f'<path d="{drawn}" fill="none" stroke="#222" marker-end="url(#to)"/>'


def _text(x: int, y: int, words: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>' if words else ""
