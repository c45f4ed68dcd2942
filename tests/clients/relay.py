"""A relay of bytes between a client and the server, which writes down the heads that pass: so we see what was asked.

Bytes go on as they came. A copy is read by RFC 9112 as far as needed here: content has a length, or runs to the end of
the connection. What cannot be read so is a fault, and fails the test.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Final

_PIECE: Final = 1 << 16
_AHEAD: Final = 1 << 16  # bytes that wait for a client that does not read, in this process
_DEADLINE_S: Final = 20.0
_TO_THE_END: Final = -1
_STATUS_LINE = re.compile(r"HTTP/1\.1 ([1-5][0-9]{2})(?: .*)?")
_BYTES = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)")


@dataclass(frozen=True)
class Head:
    """A start line and fields; names in lower case."""

    line: str
    fields: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, data: bytes) -> Head:
        line, *lines = data.decode("latin-1").split("\r\n")
        pairs = (one.partition(":") for one in lines)
        return cls(line, tuple((name.lower(), value.strip()) for name, _, value in pairs))

    def get(self, name: str) -> str | None:
        """All values of a field as one list (RFC 9110 5.3)."""
        values = [value for key, value in self.fields if key == name]
        return ", ".join(values) if values else None

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        assert value is not None, f"no {name} in {self.line}, {self.fields}"
        return value

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None


@dataclass
class Exchange:
    """A request and what came of it."""

    connection: int
    request: Head
    waiting: int  # requests before it on its connection that had no answer yet
    answer: Head | None = None
    received: int = 0  # bytes of content

    @property
    def method(self) -> str:
        return self.request.line.split(" ")[0]

    @property
    def target(self) -> str:
        return self.request.line.split(" ")[1]

    @property
    def version(self) -> str:
        return self.request.line.split(" ")[2]

    @property
    def head(self) -> Head:
        """That of the answer, which must be there."""
        assert self.answer is not None, f"no answer to {self.request.line}"
        return self.answer

    @property
    def status(self) -> int:
        found = _STATUS_LINE.fullmatch(self.head.line)
        assert found, f"no status line: {self.head.line!r}"
        return int(found[1])

    @property
    def part(self) -> tuple[int, int]:
        """First and last byte of a 206 with one part (RFC 9110 14.4)."""
        assert self.status == 206
        found = _BYTES.fullmatch(self.head["content-range"])
        assert found, self.head
        return int(found[1]), int(found[2])

    @property
    def options(self) -> set[str]:
        """What the answer says of the connection (RFC 9110 7.6.1)."""
        return {option.strip().lower() for option in (self.head.get("connection") or "").split(",")} - {""}


class _Way:
    """One direction of a connection, read as it passes."""

    def __init__(self, begin: Callable[[Head], int], count: Callable[[int], None]) -> None:
        self._begin, self._count = begin, count
        self._kept = b""
        self._left = 0  # of the content that is under way

    def take(self, data: bytes) -> None:
        while data:
            if self._left:
                have = len(data) if self._left == _TO_THE_END else min(self._left, len(data))
                self._left -= 0 if self._left == _TO_THE_END else have
                self._count(have)
                data = data[have:]
            else:
                head, end, rest = (self._kept + data).partition(b"\r\n\r\n")
                self._kept, data = (b"", rest) if end else (head, b"")
                if end:
                    self._left = self._begin(Head.read(head))


class _Connection:
    """One client, and one connection to the server for it."""

    def __init__(self, number: int, client: socket.socket, port: int) -> None:
        self.exchanges: list[Exchange] = []
        self.fault: Exception | None = None
        self._number = number
        self._client, self._server = client, socket.create_connection(("127.0.0.1", port))
        self._lock = threading.Lock()
        self._ways = 2  # that are still open
        self._waiting: deque[Exchange] = deque()
        self._current: Exchange | None = None
        asked, answered = _Way(self._asked, lambda _: None), _Way(self._answered, self._content)
        ways = ((self._client, self._server, asked), (self._server, self._client, answered))
        self._threads = [threading.Thread(target=self._pass, args=way, name="relay") for way in ways]
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _AHEAD)
        for one in (self._client, self._server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self) -> None:
        """Bytes pass; whoever asks what did must find the connection by then."""
        for thread in self._threads:
            thread.start()

    def _pass(self, source: socket.socket, sink: socket.socket, way: _Way) -> None:
        try:
            while data := source.recv(_PIECE):
                self._take(way, data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)  # the end goes on as well
        except OSError:  # whoever is left must not wait for the other
            self._end()
        with self._lock:
            self._ways -= 1
            if self._ways == 0:
                self._client.close()
                self._server.close()

    def _take(self, way: _Way, data: bytes) -> None:
        if self.fault is None:
            try:
                with self._lock:
                    way.take(data)
            except Exception as error:  # told by the test that ends
                self.fault = error

    def _asked(self, head: Head) -> int:
        assert "transfer-encoding" not in head, "no client here sends content in chunks"
        self._waiting.append(Exchange(self._number, head, len(self._waiting)))
        self.exchanges.append(self._waiting[-1])
        return int(head.get("content-length") or 0)

    def _answered(self, head: Head) -> int:
        assert "transfer-encoding" not in head, "the server sends no chunks"
        assert self._waiting, f"nobody has asked: {head.line}"
        self._current = one = self._waiting.popleft()
        one.answer = head
        if one.method == "HEAD" or one.status in (204, 304):
            return 0
        return int(head.get("content-length") or _TO_THE_END)

    def _content(self, count: int) -> None:
        assert self._current is not None
        self._current.received += count

    def _end(self) -> None:
        for one in (self._client, self._server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._end()
        for thread in self._threads:
            thread.join(_DEADLINE_S)


class Relay:
    """Listens at a free port of 127.0.0.1 until close(), in front of the server at `port`."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._connections: list[_Connection] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._thread = threading.Thread(target=self._accept, name="relay")
        self._thread.start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Without a slash behind, so that a target follows."""
        return f"http://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed, or the server is gone
            while True:
                client, _ = self._listener.accept()
                self._connections.append(_Connection(len(self._connections), client, self._server_port))
                self._connections[-1].start()

    def _all(self) -> Iterator[Exchange]:
        for connection in self._connections:
            yield from connection.exchanges

    def passed(self, target: str = "", method: str = "") -> list[Exchange]:
        """What was asked, connection by connection; `target` and `method`: only such."""
        return [one for one in self._all() if target in ("", one.target) and method in ("", one.method)]

    def one(self, target: str = "", method: str = "") -> Exchange:
        """The only one of its kind."""
        found = self.passed(target, method)
        assert len(found) == 1, f"{len(found)} requests in place of one: {[one.request.line for one in found]}"
        return found[0]

    def forget(self) -> None:
        """What has passed so far; what comes is written down again. Nothing may be under way."""
        for connection in self._connections:
            connection.exchanges.clear()

    @property
    def received(self) -> int:
        """Bytes of content, all in all."""
        return sum(one.received for one in self._all())

    @property
    def connections(self) -> int:
        """Those on which something was asked."""
        return len({one.connection for one in self._all()})

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Every connection ends; what could not be read fails the test."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(_DEADLINE_S)
        self._listener.close()
        for connection in self._connections:
            connection.close()
        faults = [connection.fault for connection in self._connections if connection.fault is not None]
        assert not faults, f"what passed is no HTTP: {faults}"
