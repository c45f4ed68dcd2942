"""Passwords and addresses for tests: users whose hashes cost little, credentials, clients from anywhere."""

from __future__ import annotations

import base64
import functools
import socket
import threading
import time
from pathlib import Path
from typing import Final

import bcrypt

from .client import TIMEOUT_S, Client
from .poll import DEADLINE_S

CHALLENGE: Final = b'Basic realm="Restricted", charset="UTF-8"'


@functools.lru_cache
def hashed(password: str) -> str:
    """The cheapest bcrypt hash that there is."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def write_users(path: Path, **users: str) -> str:
    """A password file, put in its place in one step; its path."""
    return write_lines(path, [f"{user}:{hashed(password)}" for user, password in users.items()])


def write_lines(path: Path, lines: list[str]) -> str:
    """The same from its lines, be they right or wrong."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text("".join(f"{line}\n" for line in lines))
    fresh.replace(path)
    return str(path)


def basic(user: str, password: str) -> str:
    """The field line that shows these two (RFC 7617 2)."""
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class SlowCheck:
    """Stands in the place of bcrypt: each check waits until `let_go`. Right is the password "right"."""

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        self._change = threading.Condition()
        self._go = False
        self._some = 0  # so many checks may go on though the others are held

    def __call__(self, _hash: str, password: bytes) -> bool:
        self.begun.append(password)
        with self._change:
            assert self._change.wait_for(lambda: self._go or self._some, DEADLINE_S), "nobody has let the check go on"
            self._some -= not self._go
        return password == b"right"

    def let_go(self) -> None:
        """Checks go on, now and later."""
        with self._change:
            self._go = True
            self._change.notify_all()

    def let_some_go(self, count: int) -> None:
        """So many checks go on, and no more."""
        with self._change:
            self._some += count
            self._change.notify_all()

    def hold(self) -> None:
        """Those that begin from now on wait."""
        with self._change:
            self._go = False


class ClientFrom(Client):
    """A client with an address of its own, IPv4 or IPv6."""

    def __init__(self, address: tuple[str, int], source: str) -> None:
        self._opened_s = time.time()
        self.socket = socket.create_connection(address, TIMEOUT_S, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server_side = -1
        self._kept = b""
