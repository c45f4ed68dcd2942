"""What a server says when it begins to serve: first where, by addresses that can be opened, then what.

    http://127.0.0.1:8000/
    http://192.168.1.7:8000/
    tuxpy 0.1.0 serves /srv/www (2 engines, io_uring); Ctrl-C ends it

Each line fits a terminal of 80 columns, and an address stands alone on its line.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from .. import __version__
from ..config.interfaces import local_addresses
from ..config.settings import Address
from ..errors import one_line

if TYPE_CHECKING:
    from ..process.listen import Listener
    from ..server import Server

_SHOWN_MAX: Final = 5  # addresses of one wildcard: machines with containers have dozens
_WILDCARDS: Final = ("0.0.0.0", "::")
_BACKENDS: Final = {"uring": "io_uring"}


def told(server: Server, color: bool = False, columns: int | None = None) -> list[str]:
    """The lines. columns: of the terminal that they go to; None: they go to a log, which needs no advice."""
    lines = []
    for listener in server.listeners:
        for where in _places(listener):
            lines.append(f"\x1b[1m{where}\x1b[0m" if color and "://" in where else where)
    lines.append(_what(server, columns))
    lines += [f"tuxpy: {note}" for note in _notes(server)]
    return lines


def _places(listener: Listener) -> Iterator[str]:
    """Where it can be opened: for a wildcard, this machine's addresses."""
    if listener.host not in _WILDCARDS or listener.address.proxy:
        yield listener.url
        return
    four, six = listener.takes_ipv4, listener.host == "::"
    hosts = ["127.0.0.1" if four else "::1"]
    hosts += local_addresses(socket.AF_INET) if four else []
    hosts += local_addresses(socket.AF_INET6) if six else []
    for host in hosts[:_SHOWN_MAX]:
        port = listener.port
        yield f"http://{Address(host, port)}/" if port != 80 else f"http://{Address(host, port)}/".replace(":80/", "/")
    if len(hosts) == 1:
        yield f"and at every other address of this machine, port {listener.port}"
    elif len(hosts) > _SHOWN_MAX:
        yield f"and at {len(hosts) - _SHOWN_MAX} more addresses of this machine"


def _what(server: Server, columns: int | None) -> str:
    """What is served, and by what."""
    sites = server.config.sites
    count = f"{server.engines} engine{'' if server.engines == 1 else 's'}"
    end = f" ({count}, {_BACKENDS.get(server.backend, server.backend)}){'' if columns is None else '; Ctrl-C ends it'}"
    begin = f"tuxpy {__version__} serves "
    what = one_line(sites[0].root if len(sites) == 1 else f"{len(sites)} sites of {server.config.origin}")
    left = None if columns is None else max(16, columns - len(begin) - len(end))
    if left is not None and len(what) > left:
        what = f"{what[: left // 3]}…{what[-(left - left // 3 - 1) :]}"
    return f"{begin}{what}{end}"


def _notes(server: Server) -> Iterator[str]:
    """What may surprise."""
    for listener in server.listeners:
        address = listener.address
        if not address.port_was_asked and listener.port != address.port:
            yield f"port {address.port} is taken, so the next free one is used; -p chooses another"
    if server.backend == "epoll" and server.config.backend == "auto":
        yield f"the kernel refuses io_uring, so epoll waits: {server.why}"
    for url in server.admin_urls:
        yield f"{url} tells what happens inside"
