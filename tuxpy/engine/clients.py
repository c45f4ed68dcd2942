"""Client addresses, counted for all engines together (csrc/http/clients.h)."""

from __future__ import annotations

import os
from typing import Any, Final

from ..base.forked import watch
from .native import ffi, lib, must

BUSY, CONNECTIONS, RATE = range(3)  # csrc/api.h: enum tux_limit
_PLACES: Final = 4  # addresses that are remembered, for each connection that there may be
_PLACES_MIN, _PLACES_MAX = 4096, 1 << 22


class Clients:
    """Close it after the engines. Raises EngineError when there is no memory for it."""

    def __init__(self, connections: int) -> None:
        """connections: of all engines together, at most."""
        out = ffi.new("struct tux_clients **")
        places = min(max(_PLACES_MIN, _PLACES * connections), _PLACES_MAX)
        must(lib.tux_clients_open(places, os.urandom(16), out), "no table of clients")
        self.handle: Any = out[0]
        watch(self)

    def refused(self, limit: int) -> str:
        """Who ran into this limit last, as far as it is counted: an address, or the first half of one."""
        key = int(lib.tux_clients_refused(self.handle, limit))
        if key == 0:
            return ""
        from ipaddress import IPv4Address, IPv6Network

        return str(IPv4Address(key & 0xFFFFFFFF)) if key >> 32 == 0xFFFF else str(IPv6Network((key << 64, 64)))

    def close(self) -> None:
        """Any number of times."""
        if self.handle is not None:
            lib.tux_clients_close(self.handle)
            self.handle = None

    def forked(self) -> None:
        """In a child: the parent has it, and closing does nothing."""
        self.handle = None
