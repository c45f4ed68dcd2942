"""Reload, or upgrade, again and again under full load: not one request may fail.

python loadtest/reload.py [--duration S] [--every S] [--upgrade] [--backend HOW] [--workers N] [--clients N] [--no-wrk]

Clients ask without a pause, some keeping their connection, some with a new one each time, and forgive nothing but what
HTTP announces: behind "Connection: close" a new connection is made (RFC 9112 9.6), and a client whom the machine has
kept from asking for half a second, as long as the server waits for one more request, may find its connection closed and
asks again (RFC 9112 9.3.1). Every answer must be 200 and whole, of the version before or behind the change.
wrk, where it is installed, makes the load full and counts its own errors.
The configuration is another one each time: root, rules by address and by field, limits, a listener that comes and goes.

Exit status 1 when anything failed.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which

HOST = "127.0.0.1"
_TIMEOUT_S = 20.0
_DURATION_MAX_S = 3600.0
_WORDS = (b"one", b"two")  # what the files of the two roots are made of
_SIZES = {f"/{number}.txt": 300 for number in range(40)} | {"/large.bin": 300_000}
_SHOWN = 10  # failures that are printed
_LATE_S = 0.4


@dataclass
class Tally:
    """What the clients saw."""

    answered: int = 0
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, answered: int, failure: str = "") -> None:
        with self.lock:
            self.answered += answered
            if failure:
                self.failures.append(failure)


# The server.


def configuration(number: int) -> str:
    """The number-th one."""
    listen = f'"{HOST}:0"' + f', "unix:@tuxpy-load-{os.getpid()}"' * (number % 3 == 1)
    text = f'[server]\nlisten = [{listen}]\n[site]\nroot = "{_WORDS[number % 2].decode()}"\n'
    if number % 3:
        text += f'[[site.access]]\npath = "/*"\nallow = ["127.0.0.0/8", "10.0.0.{number % 250}"]\n'
    if number % 4 == 2:
        text += '[limits]\nconnections_per_address = 3000\nrequests_per_address = "5000000/s"\nburst = 1000000\n'
    return text + f'[[site.headers]]\npath = "*"\nset = {{ X-Number = "{number}" }}\n'


class Server:
    """tuxpy in a process of its own, and whoever it has handed over to."""

    def __init__(self, work: Path, backend: str, workers: int) -> None:
        self.file, self._log = work / "tuxpy.toml", work / "log"
        self.file.write_text(configuration(0))
        words = ["-m", "tuxpy", "serve", "-c", str(self.file), "-w", str(workers), "--backend", backend]
        with self._log.open("w") as log:
            self._process = subprocess.Popen([sys.executable, *words], stderr=log)
        self.pid = self._process.pid
        self.wait(lambda: " serves " in self.said)
        found = re.search(rf"http://{re.escape(HOST)}:(\d+)/", self.said)
        assert found, self.said
        self.address = (HOST, int(found[1]))

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def alarms(self) -> list[str]:
        lines = self.said.splitlines()
        return [line for line in lines if re.search(r" (warning|error) ", line) and "as root" not in line]

    def wait(self, done: Callable[[], bool]) -> None:
        """Raises TimeoutError with what the server has said."""
        end = time.monotonic() + _TIMEOUT_S
        while not done():
            if time.monotonic() > end:
                raise TimeoutError(self.said)
            time.sleep(0.005)

    def reload(self, number: int) -> None:
        self.file.write_text(configuration(number))
        count = self.said.count("is in force")
        os.kill(self.pid, signal.SIGHUP)
        self.wait(lambda: self.said.count("is in force") > count)

    def upgrade(self, number: int) -> None:
        self.file.write_text(configuration(number))
        count = self.said.count("serves now")
        os.kill(self.pid, signal.SIGUSR2)
        self.wait(lambda: self.said.count("serves now") > count)
        self.pid = int(re.findall(r"process (\d+) serves now", self.said)[-1])

    def close(self) -> None:
        for pid in {self.pid, self._process.pid}:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        self._process.wait(60)
        self.wait(lambda: not Path(f"/proc/{self.pid}/exe").exists())


# The clients.


def ask_until(over: threading.Event, address: tuple[str, int], keeps: bool, tally: Tally) -> None:
    """One client. What it meets that is not as it should be is a failure, and it goes on with a new connection."""
    connection: socket.socket | None = None
    targets, number, asked_s = list(_SIZES), 0, math.inf
    while not over.is_set():
        number += 1
        target = targets[number % len(targets)]
        try:
            if connection is None:
                connection, asked_s = socket.create_connection(address, _TIMEOUT_S), math.inf
            before_s, asked_s = asked_s, time.monotonic()
            closes = ask(connection, target, before_s)
            tally.add(1)
            if closes or not keeps:
                connection.close()
                connection = None
        except Late:
            connection = None
        except (OSError, ValueError) as error:
            tally.add(0, f"{target}: {error!r}"[:300])
            connection = None
    if connection is not None:
        connection.close()


class Late(Exception):
    """The connection was closed before a client asked that was late."""


def ask(connection: socket.socket, target: str, before_s: float) -> bool:
    """Whether the answer says that it is the last. Raises ValueError for one that is not right, OSError for none.

    before_s: when the request before was sent (time.monotonic)."""
    sent_s, got = math.inf, b""
    try:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        sent_s = time.monotonic()
        while b"\r\n\r\n" not in got:
            got += received(connection)
    except OSError as error:
        if not got and min(sent_s, time.monotonic()) - before_s > _LATE_S:
            raise Late from error
        raise
    head, _, body = got.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\nContent-Length: ([0-9]+)", head)
    if not head.startswith(b"HTTP/1.1 200 ") or length is None:
        raise ValueError(head)
    while len(body) < int(length[1]):
        body += received(connection)
    if body not in [word * (_SIZES[target] // len(word)) for word in _WORDS]:
        raise ValueError(f"{len(body)} bytes that are of neither version")
    return b"\r\nconnection: close" in head.lower()


def received(connection: socket.socket) -> bytes:
    part = connection.recv(1 << 18)
    if not part:
        raise ConnectionError("the connection ended where an answer was due")
    return part


def full_load(address: tuple[str, int], seconds: float, tally: Tally) -> None:
    """wrk until the end; it counts answers, and errors of sockets and statuses."""
    url = f"http://{address[0]}:{address[1]}/0.txt"
    words = ["wrk", "-t1", "-c32", f"-d{max(1, int(seconds))}s", "--timeout", f"{int(_TIMEOUT_S)}s", url]
    said = subprocess.run(words, capture_output=True, text=True, timeout=seconds + 60, check=False).stdout
    answers = re.search(r"(\d+) requests in", said)
    errors = re.findall(r".*(?:Socket errors|Non-2xx).*", said)
    tally.add(int(answers[1]) if answers else 0, "wrk: " + "; ".join(errors) if errors or not answers else "")


# The run.


def run(arguments: argparse.Namespace, work: Path) -> tuple[Tally, int, list[str]]:
    """What the clients saw, how often the server was changed, and its alarms."""
    for word in _WORDS:
        for name, size in _SIZES.items():
            path = work / word.decode() / name[1:]
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(word * (size // len(word)))
    tally, over, changes = Tally(), threading.Event(), 0
    server = Server(work, arguments.backend, arguments.workers)
    kinds = [number % 4 != 3 for number in range(arguments.clients)]
    threads = [threading.Thread(target=ask_until, args=(over, server.address, keeps, tally)) for keeps in kinds]
    if arguments.wrk and which("wrk"):
        threads.append(threading.Thread(target=full_load, args=(server.address, arguments.duration, tally)))
    with ExitStack() as stack:
        stack.callback(server.close)
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        stack.callback(over.set)
        end = time.monotonic() + arguments.duration
        while time.monotonic() < end and len(tally.failures) < _SHOWN:
            changes += 1
            (server.upgrade if arguments.upgrade else server.reload)(changes)
            over.wait(min(arguments.every, max(0.0, end - time.monotonic())))
    return tally, changes, server.alarms


def main() -> None:
    parser = argparse.ArgumentParser(description="change the server again and again under full load")
    parser.add_argument("--duration", type=float, default=600.0, metavar="S", help="how long; 600 by default")
    parser.add_argument("--every", type=float, default=2.0, metavar="S", help="between two changes; 2 by default")
    parser.add_argument("--upgrade", action="store_true", help="by SIGUSR2 in place of SIGHUP")
    parser.add_argument("--backend", default="auto", choices=("auto", "uring", "epoll"))
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    parser.add_argument("--clients", type=int, default=8, metavar="N", help="beside wrk; every fourth keeps nothing")
    parser.add_argument("--no-wrk", dest="wrk", action="store_false", help="do without the full load")
    arguments = parser.parse_args()
    if not (0 < arguments.duration <= _DURATION_MAX_S and arguments.every >= 0 and 0 < arguments.clients <= 64):
        sys.exit(f"at most {_DURATION_MAX_S:g} s, and 1 to 64 clients")
    with tempfile.TemporaryDirectory(prefix="tuxpy-reload-") as name:
        tally, changes, alarms = run(arguments, Path(name))
    what = "upgrades" if arguments.upgrade else "reloads"
    print(f"{tally.answered} requests answered, {len(tally.failures)} failed, {changes} {what}, {len(alarms)} alarms")
    for line in [*tally.failures[:_SHOWN], *alarms[:_SHOWN]]:
        print(f"  {line}")
    if tally.failures or alarms or not tally.answered:
        sys.exit(1)


if __name__ == "__main__":
    main()
