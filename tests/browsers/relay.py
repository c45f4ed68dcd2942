"""A relay of bytes that writes down what passes: between a proxy or a browser and the server, it shows what was sent.

Bytes go on as they came. A copy is read by RFC 9112 6 and 7, as far as this server and its clients need it: content has
a length or is chunked, or runs to the end of the connection. What cannot be read so is a fault, and fails the test.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from support.poll import until

_PIECE: Final = 1 << 16
_DEADLINE_S: Final = 30.0
_STATUS_LINE = re.compile(r"HTTP/1\.[01] ([1-5][0-9]{2})(?: .*)?")


@dataclass(frozen=True)
class Head:
    """A start line and fields; names in lower case."""

    line: str
    fields: tuple[tuple[str, str], ...]

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.fields)

    def get(self, name: str) -> str | None:
        """All values of a field, as one list (RFC 9110 5.3)."""
        values = [value for key, value in self.fields if key == name]
        return ", ".join(values) if values else None

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        assert value is not None, f"no {name} in {self.line}, {self.fields}"
        return value

    @property
    def status(self) -> int:
        found = _STATUS_LINE.fullmatch(self.line)
        assert found, f"no status line: {self.line!r}"
        return int(found[1])

    @property
    def method(self) -> str:
        return self.line.split(" ")[0]

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]


@dataclass(frozen=True)
class Passed:
    """A request and the answer to it; `connection` counts connections to the server, `at_s` is when it was asked."""

    at_s: float
    connection: int
    request: Head
    answer: Head

    @property
    def status(self) -> int:
        return self.answer.status


@dataclass
class _Course:
    """One direction of a connection: what is read of it so far."""

    kept: bytes = b""
    left: int = 0  # of the content that is under way
    chunked: bool = False
    to_the_end: bool = False
    heads: list[Head] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)

    def take(self, data: bytes, methods: deque[str] | None) -> None:
        """`methods`: those of the requests that are not answered yet, when this is the way of answers."""
        self.kept += data
        while self.kept and not self.to_the_end:
            if self.left:
                gone = min(self.left, len(self.kept))
                self.left, self.kept = self.left - gone, self.kept[gone:]
            elif self.chunked:
                if not self._chunk():
                    return
            elif not self._head(methods):
                return
        if self.to_the_end:
            self.kept = b""

    def _head(self, methods: deque[str] | None) -> bool:
        text, end, rest = self.kept.partition(b"\r\n\r\n")
        if not end:
            return False
        self.kept = rest
        first, *lines = text.decode("latin-1").lstrip("\r\n").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        head = Head(first, tuple((name.lower(), value.strip()) for name, _, value in pairs))
        self.heads.append(head)
        self.times_s.append(time.monotonic())
        method = methods.popleft() if methods is not None else ""
        if method == "HEAD" or (methods is not None and head.status in (204, 304)):
            return True
        self.chunked = "transfer-encoding" in head
        self.left = 0 if self.chunked else int(head.get("content-length") or 0)
        self.to_the_end = methods is not None and not self.chunked and "content-length" not in head
        return True

    def _chunk(self) -> bool:
        line, end, rest = self.kept.partition(b"\r\n")
        if not end:
            return False
        size = int(line.partition(b";")[0], 16)
        self.kept, self.left = rest, size + 2  # the last one has no trailers here
        self.chunked = size > 0
        return True


class _Connection:
    """One client, and one connection to the server for it."""

    def __init__(self, number: int, client: socket.socket, server: tuple[str, int]) -> None:
        self.number = number
        self.fault: Exception | None = None
        self._client, self._server = client, socket.create_connection(server, timeout=_DEADLINE_S)
        self._lock = threading.Lock()
        self._asked, self._answered = _Course(), _Course()
        self._methods: deque[str] = deque()
        ways = ((self._client, self._server, self._asked), (self._server, self._client, self._answered))
        self._threads = [threading.Thread(target=self._pass, args=way, name="relay") for way in ways]
        for one in (self._client, self._server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.settimeout(None)

    def start(self) -> None:
        """Bytes pass; whoever asks what did must find the connection by then."""
        for thread in self._threads:
            thread.start()

    def _pass(self, source: socket.socket, sink: socket.socket, course: _Course) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_PIECE):
                self._record(data, course)
                sink.sendall(data)
        with contextlib.suppress(OSError):  # the end goes on as well
            sink.shutdown(socket.SHUT_WR)

    def _record(self, data: bytes, course: _Course) -> None:
        with self._lock:
            try:
                known = len(course.heads)
                course.take(data, self._methods if course is self._answered else None)
                if course is self._asked:
                    self._methods.extend(head.method for head in course.heads[known:])
            except Exception as error:  # told by the test that ends
                self.fault = self.fault or error

    def passed(self) -> list[Passed]:
        with self._lock:
            pairs = zip(self._asked.times_s, self._asked.heads, self._answered.heads, strict=False)
            return [Passed(at_s, self.number, asked, answer) for at_s, asked, answer in pairs]

    def close(self) -> None:
        for one in (self._client, self._server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_DEADLINE_S)
        self._client.close()
        self._server.close()


class Relay:
    """Listens at a free port of 127.0.0.1 until close(), in front of the server at `port`."""

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._connections: list[_Connection] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, name="relay")
        self._thread.start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed, or the server is gone
            while True:
                client, _ = self._listener.accept()
                try:
                    self._connections.append(_Connection(len(self._connections), client, self._server))
                except ConnectionRefusedError:
                    client.close()
                else:
                    self._connections[-1].start()

    def passed(self, target: str = "") -> list[Passed]:
        """Requests with their answers, in the order in which they were asked; `target`: only the ones for it."""
        found = [one for connection in self._connections for one in connection.passed()]
        found.sort(key=lambda one: one.at_s)
        return [one for one in found if target in ("", one.request.target)]

    def wait_for(self, target: str, count: int = 1) -> list[Passed]:
        """The same, when there are so many."""
        until(lambda: len(self.passed(target)) >= count)
        found = self.passed(target)
        assert len(found) >= count, f"{len(found)} requests for {target} in place of {count}"
        return found

    @property
    def connections(self) -> int:
        return len({one.connection for one in self.passed()})

    def close(self) -> None:
        """Every connection ends; whatever could not be read fails the test."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(_DEADLINE_S)
        self._listener.close()
        for connection in self._connections:
            connection.close()
        faults = [connection.fault for connection in self._connections if connection.fault is not None]
        assert not faults, f"what passed is no HTTP: {faults}"
