"""Whether a client that waits for an answer is still there.

A connection that was reset, or whose unix socket was closed, is gone. The end of what a TCP client sends (FIN) may mean
two things: it has closed the connection, or only its own side of it, and waits for the answer. The kernel cannot tell
which; the client's TCP can, when it is sent something. So an HTTP/1.1 client is sent 100 (Continue), which every such
client has to understand, even one that expects none (RFC 9110 15.2, 15.2.1): if the connection is closed, a reset comes
back. HTTP/1.0 knows no such answers, so there a client whose side has ended counts as one that has to be answered soon.
"""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Sequence
from enum import Enum
from typing import Final

from ..engine.http_engine import HttpEngine, Miss

_PROBE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_GONE: Final = select.POLLHUP | select.POLLERR | select.POLLNVAL


class Presence(Enum):
    """HURRIED: it may be there, and nothing will tell."""

    HERE, HURRIED, GONE = range(3)


class Asker:
    """A miss that waits for slow work. `rounds`: how often it has. `elsewhere`: all of it is judged on a worker."""

    __slots__ = ("elsewhere", "engine", "miss", "presence", "probed", "rounds")

    def __init__(self, engine: HttpEngine, miss: Miss, rounds: int = 0) -> None:
        self.engine, self.miss, self.rounds = engine, miss, rounds
        self.presence, self.probed, self.elsewhere = Presence.HERE, False, False


def gone(askers: Sequence[Asker], begun: bool) -> list[bool]:
    """For each, whether it does not wait any more for work that has begun, or shall not begin; `presence` says why."""
    known = [asker for asker in askers if asker.miss.fd >= 0]
    ended = _look(known)
    for asker in known:
        if ended.get(asker.miss.fd) == select.POLLRDHUP and not asker.probed and _is_1_1(asker.miss.head):
            asker.probed = True
            if not _probe(asker.miss.fd):
                ended[asker.miss.fd] = select.POLLHUP
    probed = [asker for asker in known if asker.probed]
    ended.update(_look(probed))  # on this machine the reset has come already
    for asker in known:
        asker.presence = _presence(asker, ended.get(asker.miss.fd, 0))
    lost = (Presence.GONE,) if begun else (Presence.GONE, Presence.HURRIED)
    return [asker.presence in lost for asker in askers]


def _presence(asker: Asker, events: int) -> Presence:
    if events & _GONE:
        return Presence.GONE
    return Presence.HURRIED if events and not asker.probed else Presence.HERE


def _look(askers: Sequence[Asker]) -> dict[int, int]:
    """What the kernel says of their connections: POLLRDHUP alone where only what they send has ended."""
    poll = select.poll()
    for asker in askers:
        poll.register(asker.miss.fd, select.POLLRDHUP)
    return dict(poll.poll(0))


def _is_1_1(head: bytes) -> bool:
    return head.lstrip(b"\r\n").partition(b"\n")[0].rstrip().endswith(b"HTTP/1.1")


def _probe(fd: int) -> bool:
    """False: it is gone, or does not read, and this was half sent."""
    with contextlib.suppress(BlockingIOError):
        try:
            return os.write(fd, _PROBE) == len(_PROBE)
        except OSError:
            return False
    return True
