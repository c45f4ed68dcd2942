"""What the operator reads on standard error behind the lines of the start (start_lines.py): the log.

The log goes through the standard library, so whoever embeds tuxpy sets it up as he likes; this is what the command line
does. A record never takes a second line, whatever it says: what a client sends may stand in it, and a line must not be
forged. A traceback becomes part of its line, innermost frame first.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import Final, TextIO

from ..errors import one_line
from .outlet import Outlet

_COLORS: Final = {
    logging.DEBUG: "2",  # faint
    logging.INFO: "32",  # green
    logging.WARNING: "33",  # yellow
    logging.ERROR: "31",  # red
}


# The log.


def wants_color(choice: str, stream: TextIO | None) -> bool:
    """Whether to colour what goes to `stream`: by choice, else on a terminal unless NO_COLOR is set."""
    return colors_at(choice, stream is not None and stream.isatty())


def colors_at(choice: str, terminal: bool) -> bool:
    """The same for what is a terminal, or is not."""
    if choice != "auto":
        return choice == "always"
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def set_up(level: str, color: bool) -> None:
    """Send every record from `level` up to standard error."""
    try:
        fd = sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):  # it is no file
        fd = -1
    same = [one for one in logging.getLogger().handlers if isinstance(one, Outlet) and one.fd == fd]
    handler: logging.Handler = same[0] if same else Outlet(fd) if fd >= 0 else logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line(color))
    if same:  # after a reload: the lines that wait stay in their order
        logging.getLogger().setLevel(level.upper())
    else:
        logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.raiseExceptions = False  # a standard error that is gone must not stop a server


class _Line(logging.Formatter):
    def __init__(self, color: bool) -> None:
        super().__init__()
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        when = self.formatTime(record, "%Y-%m-%d %H:%M:%S")
        level = f"{record.levelname.lower():7}"
        if self._color:
            level = f"\x1b[{_COLORS.get(record.levelno, '31')}m{level}\x1b[0m"
        said = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            said = f"{said}: {failure(record.exc_info[1])}"
        return f"{when} {level} {one_line(said)}"


def failure(error: BaseException | None) -> str:
    """An exception, where it came from and what caused it, without a line break of its own."""
    parts: list[str] = []
    while error is not None and len(parts) < 8:  # a chain of causes may be a circle
        frames = reversed(traceback.extract_tb(error.__traceback__))
        where = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames)
        parts.append(f"{type(error).__name__}: {error} ({where})")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "; caused by ".join(parts)
