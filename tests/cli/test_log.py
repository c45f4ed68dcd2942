"""One line a record, whatever is in it; colours where they are wanted."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import urllib.parse
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from tuxpy import log
from tuxpy.config.settings import Address, Config, parse_bind
from tuxpy.config.sites import SiteConfig

if TYPE_CHECKING:
    from tuxpy.server import Server


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


def lines_of(urls: str, *binds: Address, engines: int = 1, color: bool = False) -> list[str]:
    """What is said at the start, of a server that is only described."""
    config = Config(sites=(SiteConfig("/srv/www"),), workers=1, binds=binds or (Address(),))
    listeners = [
        SimpleNamespace(address=bind, port=urllib.parse.urlsplit(url).port or 80)
        for bind, url in zip(config.binds, urls.split(), strict=True)
    ]
    server = SimpleNamespace(
        config=config, urls=tuple(urls.split()), admin_urls=(), listeners=listeners, engines=engines, backend="uring",
        why="Linux 6.18 has it",
    )  # fmt: skip
    return log.announcement(cast("Server", server), color)


def test_the_line_of_the_start() -> None:
    (line,) = lines_of("http://127.0.0.1:8000/", engines=2)
    assert line == "tuxpy 0.1.0 serves /srv/www at http://127.0.0.1:8000/ (2 engines, uring: Linux 6.18 has it)"
    assert "(1 engine, " in lines_of("http://127.0.0.1:8000/")[0]
    assert "\x1b[1mhttp://127.0.0.1:8000/\x1b[0m" in lines_of("http://127.0.0.1:8000/", color=True)[0]


def test_another_port_than_the_usual_is_explained() -> None:
    _, line = lines_of("http://127.0.0.1:8001/")
    assert line == "tuxpy: port 8000 is taken, so the next free one is used; -p chooses another"
    assert len(lines_of("http://127.0.0.1:4711/", Address(port=0, port_was_asked=True))) == 1
    assert len(lines_of("http://127.0.0.1/", Address(port=80, port_was_asked=True))) == 1


@pytest.mark.parametrize(
    ("urls", "binds", "said"),
    [
        ("http://0.0.0.0/", ["0.0.0.0:80"], ["0.0.0.0 is every address of this machine: http://192.0.2.7:80/"]),
        (
            "http://[::1]:81/ http://[::]:80/",
            ["[::1]:81", "[::]:80"],
            [":: is every address of this machine: http://192.0.2.7:80/, http://[2001:db8::7]:80/"],
        ),
        (
            "http://127.0.0.1:81/ http://[::]:80/",  # beside IPv4, IPv6 is only that
            ["127.0.0.1:81", "[::]:80"],
            [":: is every address of this machine: http://[2001:db8::7]:80/"],
        ),
    ],
)
def test_a_wildcard_says_what_becomes_reachable(
    monkeypatch: pytest.MonkeyPatch, urls: str, binds: list[str], said: list[str]
) -> None:
    found = {socket.AF_INET: ["192.0.2.7"], socket.AF_INET6: ["2001:db8::7"]}
    found[socket.AF_UNSPEC] = found[socket.AF_INET] + found[socket.AF_INET6]
    monkeypatch.setattr(log, "local_addresses", found.get)
    assert lines_of(urls, *map(parse_bind, binds))[1:] == [f"tuxpy: {line}" for line in said]


def test_a_wildcard_of_a_machine_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "local_addresses", lambda _: [])
    assert "it has none that other machines could reach" in lines_of("http://0.0.0.0:80/", parse_bind("0.0.0.0:80"))[1]
