"""Clients in every state that a connection can be in, and clients that behave like nobody should."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from support.client import Client, get

Address = tuple[str, int]

# Connections that stay as they are, by what the engine does for them.


def silent(client: Client) -> None:
    """recv_head, and nothing has come."""


def half_head(client: Client) -> None:
    client.send(get("/notes.txt")[:-5])


def idle(client: Client) -> None:
    assert client.ask(get("/notes.txt")).status == 200


def asking(client: Client) -> None:
    """decide, at a judge that does not answer (see Rig.withheld)."""
    client.send(get("/withheld"))


def stalled_send(client: Client) -> None:
    """respond, with more from memory than the kernel takes."""
    client.send(get("/in-memory.bin") * 200)


def stalled_sendfile(client: Client) -> None:
    client.send(get("/large.bin"))


def lingering(client: Client) -> None:
    """discard: what it announces will never come."""
    client.send(get("/notes.txt", "Content-Length: 100000", method="POST") + b"some of it")


STALLED: Final = (stalled_send, stalled_sendfile)
STATES: Final[tuple[Callable[[Client], None], ...]] = (
    silent,
    half_head,
    idle,
    asking,
    lingering,
    *STALLED,
)


@contextmanager
def crowd(address: Address, each: int) -> Iterator[list[Client]]:
    """`each` clients in every state. Given are those who can hear at once that their connection has ended."""
    with ExitStack() as ends:
        listening = []
        for _ in range(each):
            for state in STATES:
                client = ends.enter_context(Client(address, receive_buffer=4096))
                state(client)
                if state not in STALLED:
                    listening.append(client)
        yield listening


# Clients that come, do something odd and go.

_WHOLE: Final = (
    get("/notes.txt"),
    get("/"),
    get("/none"),
    get("/in-memory.bin"),
    get("/large.bin"),
    get("/notes.txt", method="HEAD"),
    get("/notes.txt", "Connection: close"),
    get("/notes.txt", "Content-Length: 3", method="POST") + b"abc",
    get("/notes.txt", "X-Odd: " + "x" * 3000),
    get("/notes.txt", "X-Long: " + "x" * 20_000),
    b"\r\n" * 5 + get("/docs/"),
    b"GET / HTTP/1.0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01",
    b"nonsense\r\n\r\n",
)


def visit(address: Address, chance: random.Random) -> None:
    """One connection. Whatever the server does with it is fine, as long as it does something."""
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=5) as one:
        if chance.random() < 0.3:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(chance.randrange(4)):
            _say(one, chance)
            if chance.random() < 0.6:
                one.settimeout(chance.choice([0.001, 0.01, 0.05]))
                with contextlib.suppress(TimeoutError):
                    one.recv(chance.choice([1, 100, 100_000]))
                one.settimeout(5)
        end = chance.random()
        if end < 0.3:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset in place of an end
        elif end < 0.6:
            one.shutdown(socket.SHUT_WR)
            one.settimeout(0.05)
            while one.recv(1 << 16):
                pass


def _say(one: socket.socket, chance: random.Random) -> None:
    """Some requests, whole, in pieces, or not to the end."""
    said = b"".join(chance.choices(_WHOLE, k=chance.randrange(1, 4)))
    if chance.random() < 0.2:
        said = said[: chance.randrange(len(said))]
    pieces = chance.choice([1, 1, 2, 5])
    size = -(-len(said) // pieces) or 1
    for at in range(0, len(said), size):
        one.sendall(said[at : at + size])
