"""Listening sockets: one for every engine and address, and plain sentences when the address cannot be had."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any, Final

from .config.settings import Address
from .errors import ConfigError

BACKLOG: Final = 1024  # clients the kernel holds while no run is parked at accept
_TRIES: Final = 100  # ports looked at when none was asked for


def listen(address: Address, engines: int, alone: bool = True) -> list[socket.socket]:
    """One listener for each engine at the same address. alone: no IPv4 address is bound beside an IPv6 one.

    Several listeners share the port (SO_REUSEPORT, socket(7)); the kernel spreads connections over them. Raises
    ConfigError, naming the remedy.
    """
    family, place = _resolve(address)
    last = address.port if address.port_was_asked or address.port == 0 else min(65535, address.port + _TRIES - 1)
    for port in range(address.port, last + 1):
        try:
            return _open(family, (place[0], port, *place[2:]), engines, alone)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or port == last:
                raise ConfigError(_sentence(error, address, last)) from error
    raise AssertionError("the range of ports is never empty")


def _resolve(address: Address) -> tuple[int, tuple[Any, ...]]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(f"there is no host {address.host!r} ({error.strerror}): give a name or IP address") from error
    family, _, _, _, place = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, tuple(place)


def _open(family: int, place: tuple[Any, ...], engines: int, alone: bool) -> list[socket.socket]:
    # Without SO_REUSEPORT first: with it, a port that another server of ours holds would seem free.
    first = _bound(family, place, alone, shared=False)
    if engines == 1:
        first.listen(BACKLOG)
        return [first]
    place = first.getsockname()
    first.close()
    sockets: list[socket.socket] = []
    try:
        for _ in range(engines):
            sockets.append(_bound(family, place, alone, shared=True))
        for one in sockets:
            one.listen(BACKLOG)
    except OSError:
        for one in sockets:
            one.close()
        raise
    return sockets


def _bound(family: int, place: tuple[Any, ...], alone: bool, shared: bool) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not alone)
        # Accept when there is something to read (tcp(7)); whoever says nothing comes a second later. One wait less for
        # each connection: of 20 µs of CPU 16 are left where every request has its own.
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
        one.bind(place)
        if not shared:
            _probe_listen(one)
    except OSError:
        one.close()
        raise
    return one


def _probe_listen(one: socket.socket) -> None:
    """bind(2) lets two sockets with SO_REUSEADDR have one port until one of them listens; so ask now."""
    one.listen(1)


def _sentence(error: OSError, address: Address, last: int) -> str:
    port = address.port
    if error.errno == errno.EADDRINUSE:
        taken = f"port {port} of {address.host} is" if last == port else f"ports {port} to {last} of {address.host} are"
        return f"{taken} taken by another server: stop it, or choose another with --port (0: any free one)"
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"port {port} may only be taken by root: choose one from 1024 on,"
            " or give the program the capability CAP_NET_BIND_SERVICE"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{address.host} is no address of this machine: give one of its own, or 0.0.0.0 for all"
    return f"cannot listen at {address}: {os.strerror(error.errno or 0)}"
