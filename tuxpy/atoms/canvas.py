"""Lines and letters on a grid. Lines that meet join by themselves: every place knows in which directions it goes on."""

from __future__ import annotations

from typing import Final

_UP: Final = 1
_DOWN: Final = 2
_LEFT: Final = 4
_RIGHT: Final = 8

# What a place looks like, by the sum of its directions. The plain form is that of the 2007 drawing, corners included.
_JOINED: Final = " │││─┘┐┤─└┌├─┴┬┼"
_PLAIN: Final = " |||---+---+-+++"

_HEADS: Final = {"<": "◄", ">": "►", "v": "▼"}


class Canvas:
    """Rows and columns count from 0 and grow as needed."""

    def __init__(self) -> None:
        self._lines: dict[tuple[int, int], int] = {}
        self._letters: dict[tuple[int, int], str] = {}
        self._heads: dict[tuple[int, int], str] = {}

    def across(self, row: int, left: int, right: int) -> None:
        """A horizontal line, both ends included."""
        for column in range(left, right + 1):
            self._join((row, column), _LEFT * (column > left) | _RIGHT * (column < right))

    def down(self, column: int, top: int, bottom: int) -> None:
        """A vertical line, both ends included. One of a single row is drawn too."""
        for row in range(top, bottom + 1):
            alone = top == bottom
            self._join((row, column), _UP * (row > top or alone) | _DOWN * (row < bottom or alone))

    def box(self, top: int, left: int, right: int, text: str) -> None:
        """Three rows with `text` in the middle of the second."""
        self.across(top, left, right)
        self.across(top + 2, left, right)
        self.down(left, top, top + 2)
        self.down(right, top, top + 2)
        self.write(top + 1, left + (right - left + 2 - len(text)) // 2, text)

    def write(self, row: int, column: int, text: str) -> None:
        """Letters hide lines."""
        for place, letter in enumerate(text, column):
            self._letters[row, place] = letter

    def head(self, row: int, column: int, head: str) -> None:
        """An arrow's head: one of < > v."""
        self._heads[row, column] = head

    def render(self, ascii: bool) -> str:  # noqa: A002, the word says it
        """The rows as text, without blanks at their ends."""
        joined, heads = (_PLAIN, {}) if ascii else (_JOINED, _HEADS)
        look = {place: joined[mask] for place, mask in self._lines.items()}
        look.update({place: heads.get(head, head) for place, head in self._heads.items()})
        look.update(self._letters)
        rows: dict[int, dict[int, str]] = {}
        for (row, column), sign in look.items():
            rows.setdefault(row, {})[column] = sign
        return "\n".join(_row(rows.get(row, {})) for row in range(max(rows, default=-1) + 1)) + "\n"

    def _join(self, place: tuple[int, int], directions: int) -> None:
        self._lines[place] = self._lines.get(place, 0) | directions


def _row(signs: dict[int, str]) -> str:
    return "".join(signs.get(column, " ") for column in range(max(signs, default=-1) + 1)).rstrip()
