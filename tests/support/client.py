"""A client that sends exactly the bytes it is told to, and reads answers strictly by RFC 9112.

Nothing is forgiven: whatever is not an answer of the one correct form fails the test that met it.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final

from tuxpy.http import httpdate

TIMEOUT_S: Final = 10.0
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) ([\t -~]*)")
_FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([!-~](?:[\t -~]*[!-~])?|)")
_DATE = re.compile(rb"\r\nDate: [^\r]*\r\n")


@dataclass(frozen=True)
class Response:
    """One answer; `fields` as they came."""

    status: int
    reason: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""

    def __contains__(self, name: bytes) -> bool:
        return any(key.lower() == name for key, _ in self.fields)

    def __getitem__(self, name: bytes) -> bytes:
        """The value of a field that must be there."""
        values = [value for key, value in self.fields if key.lower() == name]
        assert len(values) == 1, f"{len(values)} fields {name!r} in {self.fields}"
        return values[0]

    @property
    def closes(self) -> bool:
        """It announces the end of the connection (RFC 9112 9.6)."""
        return b"connection" in self and b"close" in self[b"connection"].lower()

    @property
    def undated(self) -> Response:
        """All of it but for Date: what two answers to the same question have in common."""
        return replace(self, fields=self.without(b"date"))

    def without(self, *names: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """The fields but for these."""
        return tuple(field for field in self.fields if field[0].lower() not in names)


def get(target: str | bytes, *fields: str, method: str = "GET", version: str = "1.1", host: str = "a") -> bytes:
    """A sound head; every field is a whole line."""
    path = target.decode("latin-1") if isinstance(target, bytes) else target
    lines = [f"{method} {path} HTTP/{version}", *([f"Host: {host}"] if host else []), *fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def undated(answers: bytes) -> bytes:
    """Raw answers without what changes from second to second."""
    return _DATE.sub(b"\r\n", answers)


class Client:
    """One connection."""

    def __init__(self, address: tuple[str, int], receive_buffer: int | None = None) -> None:
        self._opened_s = time.time()
        self.socket = socket.socket()
        if receive_buffer is not None:  # before connecting: it bounds the window
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server_side = -1  # the other end's descriptor, when somebody has looked for it
        self._kept = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Vanish: the server sees a reset in place of an end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_until_refused(self, data: bytes) -> None:
        """As much as the other end will take; it may have answered and closed by then."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def send_bytewise(self, data: bytes, between: Callable[[], object]) -> None:
        """Byte by byte, each in its own segment, with `between` called after each."""
        for at in range(len(data)):
            self.send_until_refused(data[at : at + 1])
            between()

    def finish(self) -> None:
        """Say that no more is coming."""
        self.socket.shutdown(socket.SHUT_WR)

    def finish_if_connected(self) -> None:
        """The same, to an end that may have closed already."""
        with contextlib.suppress(OSError):
            self.finish()

    def ask(self, request: bytes) -> Response:
        """Send one request and read its answer."""
        self.send(request)
        return self.read(head_only=request.lstrip(b"\r\n").startswith(b"HEAD "))

    def read(self, head_only: bool = False) -> Response:
        """The next answer. `head_only`: it answers a HEAD."""
        lines = self._until(b"\r\n\r\n")[:-4].split(b"\r\n")
        found = _STATUS_LINE.fullmatch(lines[0])
        assert found, f"no status line: {lines[0]!r}"
        fields = tuple(_field(line) for line in lines[1:])
        response = Response(int(found[1]), found[2], fields)
        _check_head(response, self._opened_s)
        if head_only or response.status in (204, 304):
            return response
        return replace(response, body=self.exactly(_length(response[b"content-length"])))

    def read_slowly(self, piece: int, pause_s: float) -> Response:
        """The next answer, its content a piece at a time with pauses between."""
        head = self.read(head_only=True)
        body, left = [], _length(head[b"content-length"])
        while left > 0:
            body.append(self.exactly(min(left, piece)))
            left -= len(body[-1])
            time.sleep(pause_s)
        return replace(head, body=b"".join(body))

    def read_all(self, requests: Sequence[bytes]) -> list[Response]:
        """One answer to each of several pipelined requests."""
        return [self.read(head_only=request.startswith(b"HEAD ")) for request in requests]

    def exactly(self, count: int) -> bytes:
        """So many bytes; it is a failure if the connection ends before."""
        parts, have = [self._kept], len(self._kept)
        while have < count:
            part = self.socket.recv(min(count - have, 1 << 18))
            assert part, f"the connection ended {count - have} bytes too early"
            parts.append(part)
            have += len(part)
        whole = b"".join(parts)
        self._kept = whole[count:]
        return whole[:count]

    def rest(self) -> bytes:
        """Everything up to the end of the connection, which must be an orderly one."""
        parts = [self._kept]
        while part := self.socket.recv(1 << 18):
            parts.append(part)
        self._kept = b""
        return b"".join(parts)

    def rest_or_reset(self) -> bytes:
        """Everything that arrives, however the connection ends."""
        parts = [self._kept]
        try:
            while part := self.socket.recv(1 << 18):
                parts.append(part)
        except ConnectionResetError:
            pass
        self._kept = b""
        return b"".join(parts)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._kept:
            part = self.socket.recv(1 << 16)
            assert part, f"the connection ended within a head: {self._kept!r}"
            self._kept += part
        at = self._kept.index(mark) + len(mark)
        found, self._kept = self._kept[:at], self._kept[at:]
        return found


def _field(line: bytes) -> tuple[bytes, bytes]:
    found = _FIELD_LINE.fullmatch(line)
    assert found, f"no field line: {line!r}"
    return found[1], found[2]


def _length(value: bytes) -> int:
    assert re.fullmatch(rb"0|[1-9][0-9]{0,17}", value), f"no length: {value!r}"
    return int(value)


def _check_head(response: Response, since_s: float) -> None:
    """What holds for every answer of this server, on a connection that was opened at `since_s`."""
    names = [name.lower() for name, _ in response.fields]
    assert len(set(names)) == len(names), f"a field came twice: {response.fields}"
    assert b"transfer-encoding" not in response
    date = httpdate.parse(response[b"date"])
    assert date is not None and len(response[b"date"]) == httpdate.LENGTH, "RFC 9110 6.6.1: a Date, as IMF-fixdate"
    assert since_s - 2 <= date <= time.time() + 1, "RFC 9110 6.6.1: when the answer was made"
