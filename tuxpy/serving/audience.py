"""Who means a site, and where: the values of Host that clients send, and the listeners at which they may arrive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..engine.http_engine import HttpEngine
from ..process.listen import Listener
from ..rules.hosts import DEFAULT

Place = tuple[HttpEngine, int]  # an engine, and the line at which it accepts


def audience(host: str, sockets: Sequence[tuple[Listener, HttpEngine, int]]) -> dict[bytes, list[Place]]:
    """The values of Host by which clients mean a site, and where each of them may arrive."""
    found: dict[bytes, list[Place]] = {}
    for listener, engine, line in sockets:
        for authority in _authorities(host, listener):
            found.setdefault(authority, []).append((engine, line))
    return found


def _authorities(host: str, listener: Listener) -> Iterator[bytes]:
    """A name as it is, since a proxy may stand in front, and with our port; without a name, the listener's address."""
    if host != DEFAULT:
        if "*" in host:
            return
        yield host.encode()
        if listener.port not in (0, 80):
            yield f"{host}:{listener.port}".encode()
        return
    authority = listener.url.removeprefix("http://").removeprefix("proxy:").rstrip("/")
    name, _, port = authority.partition(":")
    if listener.is_unix or name == "0.0.0.0" or authority.startswith("[::]"):
        yield f"localhost{':' + str(listener.port) if listener.port not in (0, 80) else ''}".encode()
        return
    yield authority.encode()
    if name.startswith("127."):
        yield f"localhost:{port}".encode() if port else b"localhost"
