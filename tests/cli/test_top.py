"""`tuxpy top`: in a terminal, without one, and when nobody answers."""

from __future__ import annotations

import fcntl
import http.server
import io
import json
import os
import pty
import re
import select
import signal
import socket
import socketserver
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from rich.console import Console
from unit.admin.test_admin import snapshot

from tuxpy.admin.rates import between
from tuxpy.admin.report import report
from tuxpy.admin.snapshot import Hot, JudgeFigures, Slow
from tuxpy.cli.top import History, Source, view
from tuxpy.errors import TuxError

from .processes import DEADLINE_S, Run, command, environment

JUDGE: Final = JudgeFigures(
    slowest=tuple(Slow(f"/slow/{number}" + "x" * 80, 0.2) for number in range(10)),
    hottest=tuple(Hot(f"/hot/{number}" + "x" * 80, 10) for number in range(10)),
    looked_at=123_456,
)


class Told(http.server.BaseHTTPRequestHandler):
    """Stands in the place of an admin listener."""

    def do_GET(self) -> None:
        body = json.dumps(report(snapshot(now_s=time.time(), judge=JUDGE))).encode()
        self.send_response(200 if self.path == "/status.json" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "a client"

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def serving() -> Iterator[Callable[[socketserver.BaseServer], None]]:
    started: list[tuple[socketserver.BaseServer, threading.Thread]] = []

    def serve(server: socketserver.BaseServer) -> None:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        started.append((server, thread))

    yield serve
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def address(serving: Callable[[socketserver.BaseServer], None]) -> str:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Told)
    serving(server)
    return f"127.0.0.1:{server.server_address[1]}"


# What it shows.


def shown(width: int, height: int, seconds: int, encoding: str = "utf-8") -> list[str]:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace")  # as main has it
    console = Console(file=out, width=width, height=height, highlight=False, markup=False)
    history = History()
    before = after = report(snapshot(judge=JUDGE))
    for second in range(1, seconds + 1):
        before, after = after, report(snapshot(now_s=1000.0 + second, judge=JUDGE))
        after["totals"] = {**after["totals"], "hits": 180 + second**2}
        after["statuses"] = {**after["statuses"], "2xx": 190 + second**2}
        history.seconds.append(between(before, after))
    console.print(view(after, history.seconds[-1] if seconds else None, history, console, height))
    out.seek(0)
    return out.read().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 20), (132, 43)])
@pytest.mark.parametrize("seconds", [0, 1, 200])
def test_it_fits(width: int, height: int, seconds: int) -> None:
    lines = shown(width, height, seconds)
    assert len(lines) < height, "\n".join(lines)
    assert max(map(len, lines)) <= width


def test_it_says_what_there_is() -> None:
    text = "\n".join(shown(100, 30, 30))
    for words in ("tuxpy 1.2.3", "running", "up 00:15:30", "2 engines, epoll", "1 problem, see /status",
                  "I input 8", "C cold 2", "R running 4", "14 of 200", "/hot/0", "/slow/0", "200.0 ms",
                  "hottest of 123,456 sampled hits"):  # fmt: skip
        assert words in text, words
    requests = next(line for line in text.splitlines() if line.startswith("requests/s"))
    assert re.search(r" 59 .*▁.*▄.*█ ", requests), requests


def test_since_the_start_when_it_is_the_first_look() -> None:
    text = "\n".join(shown(80, 24, 0))
    assert "since the start" in text and re.search(r"requests/s +0\.2 ", text)


def test_terminals_without_unicode_get_plain_signs() -> None:
    line = next(line for line in shown(80, 24, 30, "ascii") if line.startswith("requests/s"))
    assert line.isascii() and "@" in line


# How it runs.


def test_without_a_terminal_it_shows_everything_once(run: Run, address: str) -> None:
    done = run("top", address)
    assert (done.status, done.err) == (0, "")
    assert "since the start" in done.out and "\x1b" not in done.out


def test_a_local_socket(tmp_path: Path, serving: Callable[[socketserver.BaseServer], None], run: Run) -> None:
    serving(socketserver.ThreadingUnixStreamServer(str(tmp_path / "admin"), Told))
    done = run("top", f"unix:{tmp_path}/admin")
    assert (done.status, done.err) == (0, "") and "2 engines" in done.out


def test_nobody_there(run: Run, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        free = f"127.0.0.1:{taken.getsockname()[1]}"
        for where in (free, f"unix:{tmp_path}/none"):
            done = run("top", where)
            assert (done.status, done.out) == (1, "")
            sentence = rf"tuxpy: no server answers at {where} \(.+\): start one with --admin\n"
            assert re.fullmatch(sentence, done.err)


def test_something_else_there(serving: Callable[[socketserver.BaseServer], None]) -> None:
    class Other(Told):
        def do_GET(self) -> None:
            self.path = ""
            super().do_GET()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other)
    serving(server)
    with pytest.raises(TuxError, match="is not an admin listener of tuxpy: give the address that follows --admin"):
        Source(f"127.0.0.1:{server.server_address[1]}").report()


def test_an_address_that_is_none(run: Run) -> None:
    done = run("top", "::1")
    assert done.status == 2 and "put the IPv6 address into brackets" in done.err


def test_without_the_library(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rich").mkdir()
    (tmp_path / "rich" / "__init__.py").write_text("raise ImportError")
    done = run("top", env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{environment()['PYTHONPATH']}"})
    assert (done.status, done.err) == (2, "tuxpy: tuxpy top needs the library rich: install tuxpy-server[top]\n")


@pytest.mark.slow
@pytest.mark.parametrize("end", ["q", "interrupt"])
def test_in_a_terminal_until_it_is_told_to_end(address: str, end: str) -> None:
    words = command("top", address)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, words, environment(TERM="xterm-256color"))
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        _read_until(terminal, "requests/s")
        later = _read_until(terminal, "requests/s")
        assert "\x1b[?1049l" not in later, "it has left the screen already"
        if end == "q":
            os.write(terminal, b"q")
        else:
            os.kill(pid, signal.SIGINT)
        assert "\x1b[?1049l" in _read_until(terminal, "\x1b[?25h"), "the screen and the cursor come back"
        assert os.waitpid(pid, 0)[1] == 0
    finally:
        os.close(terminal)


def _read_until(terminal: int, words: str) -> str:
    found, end = "", time.monotonic() + DEADLINE_S
    while words not in found and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            found += os.read(terminal, 65536).decode()
    assert words in found, found
    return found
