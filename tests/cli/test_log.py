"""One line a record, whatever is in it; colours where they are wanted."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator

import pytest

from tuxpy.process import log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextlib.contextmanager
def logging_to(stream: io.StringIO, level: str, color: bool) -> Iterator[logging.Logger]:
    """Logging as the command line sets it up; afterwards as pytest had it."""
    root = logging.getLogger()
    handlers, had, raising = root.handlers[:], root.level, logging.raiseExceptions
    root.handlers.clear()
    try:
        with contextlib.redirect_stderr(stream):
            log.set_up(level, color)
        yield logging.getLogger("tuxpy")
    finally:
        root.handlers[:], logging.raiseExceptions = handlers, raising
        root.setLevel(had)


def test_a_record_is_one_line() -> None:
    stream = io.StringIO()
    with logging_to(stream, "info", color=False) as logger:
        logger.info("GET %s", "/a\r\nforged\x1b[31m")
        logger.debug("not worth it")
    (line,) = stream.getvalue().splitlines()
    assert line.endswith(r"info    GET /a\r\nforged\x1b[31m")


def test_a_traceback_stays_in_its_line() -> None:
    stream = io.StringIO()
    with logging_to(stream, "warning", color=False) as logger:
        try:
            try:
                _fall()
            except ValueError as error:
                raise KeyError("outer") from error
        except KeyError:
            logger.exception("cannot judge")
    (line,) = stream.getvalue().splitlines()
    assert "error   cannot judge: KeyError: 'outer' (test_log.py:" in line
    assert "; caused by ValueError: down (test_log.py:" in line
    assert "_fall < test_log.py:" in line  # innermost first


def _fall() -> None:
    raise ValueError("down")


def test_a_circle_of_causes_ends() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert log.failure(first).count("caused by") == 7


def test_colour() -> None:
    stream = io.StringIO()
    with logging_to(stream, "debug", color=True) as logger:
        logger.warning("hot")
    assert "\x1b[33mwarning\x1b[0m hot" in stream.getvalue()


@pytest.mark.parametrize(
    ("choice", "variables", "terminal", "wanted"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),  # no-color.org: present and not empty
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {}, True, False),
    ],
)
def test_when_colours_are_wanted(
    monkeypatch: pytest.MonkeyPatch, choice: str, variables: dict[str, str], terminal: bool, wanted: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert log.wants_color(choice, Terminal() if terminal else io.StringIO()) is wanted
    assert log.wants_color("auto", None) is False


def test_a_standard_error_that_is_gone_stops_nobody() -> None:
    stream = io.StringIO()
    with logging_to(stream, "info", color=False) as logger:
        stream.close()
        logger.info("into the void")
