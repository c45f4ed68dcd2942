"""Listening sockets: at an address of the network, at a path, or open already when we came.

At an address of the network there is one for each engine; they share the port (SO_REUSEPORT, socket(7)) and the kernel
spreads connections over them. All engines accept from the one socket at a path. Whatever cannot be had is told in a
plain sentence.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
from dataclasses import dataclass, field
from typing import Any, Final

from ..config.identity import find_group
from ..config.interfaces import resolve
from ..config.settings import Address
from ..errors import ConfigError
from .bind_errors import Refused, at_path, at_port, doing

BACKLOG: Final = 1024  # clients the kernel holds while no run is parked at accept
_SO_MAX_PACING_RATE: Final = 47  # asm-generic/socket.h; the socket module has no name for it
_UNPACED: Final = (1 << 64) - 1
_TRIES: Final = 100  # ports looked at when none was asked for
_ANSWERS_S: Final = 1.0  # for somebody at a unix socket


@dataclass(eq=False)
class Listener:
    """The sockets of one address.

    lent    others accept there too, or will: never shut down, and no path is removed
    """

    address: Address
    sockets: list[socket.socket]
    lent: bool = False
    _file: tuple[int, int] | None = field(default=None, repr=False)  # device and inode at our path

    @property
    def is_unix(self) -> bool:
        return self.sockets[0].family == socket.AF_UNIX

    @property
    def url(self) -> str:
        """How to reach it; no URL where the PROXY protocol is spoken, which no browser does."""
        if self.is_unix:
            place = f"unix:{_path_of(self.sockets[0].getsockname())}"
            return f"proxy:{place}" if self.address.proxy else place
        where = f"[{self.host}]" if ":" in self.host else self.host
        if self.address.proxy:
            return f"proxy:{where}:{self.port}"
        return f"http://{where}/" if self.port == 80 else f"http://{where}:{self.port}/"

    @property
    def host(self) -> str:
        """The address that it is bound to; "" for a unix socket."""
        return "" if self.is_unix else str(self.sockets[0].getsockname()[0])

    @property
    def takes_ipv4(self) -> bool:
        """Whether clients that speak IPv4 come in; at [::] that is the socket's choice (ipv6(7))."""
        first = self.sockets[0]
        if first.family != socket.AF_INET6:
            return first.family == socket.AF_INET
        return self.host == "::" and not first.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)

    @property
    def port(self) -> int:
        """Where it has come to listen; 0 for a unix socket."""
        return 0 if self.is_unix else int(self.sockets[0].getsockname()[1])

    def stands_for(self, address: Address) -> bool:
        """Whether who asks for `address` means this one: by the same words, or by where it has come to listen."""
        if address.place == self.address.place:
            return True
        if address.fd or address.unix:
            return bool(address.unix) and self.url.removeprefix("proxy:") == address.place
        return not self.is_unix and self.sockets[0].getsockname()[:2] == (address.host, address.port)

    def of_engine(self, number: int, engines: int) -> list[socket.socket]:
        """The sockets at which this engine accepts: each is somebody's, and nobody is without one."""
        own = self.sockets[number::engines]
        return own or [self.sockets[number % len(self.sockets)]]

    def pace(self, bandwidth: int) -> None:
        """Bytes a second of each connection, 0 for no limit: what TCP accepts here inherits it. Not for unix sockets.

        The kernel does it, segment by segment and without a timer of ours (SO_MAX_PACING_RATE, tcp(7), tc-fq(8)).
        """
        wanted = struct.pack("=Q", bandwidth or _UNPACED)
        for one in () if self.is_unix else self.sockets:
            if one.getsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, len(wanted)) != wanted:
                one.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, wanted)

    def watch_path(self) -> None:
        """The path is ours from now on, and goes when we go."""
        if self.is_unix and self.address.unix.startswith("/"):
            self._file = _file_at(self.address.unix)

    def close(self) -> None:
        """Any number of times."""
        for one in self.sockets:
            one.close()
        if self._file is not None and not self.lent and _file_at(self.address.unix) == self._file:
            try:
                os.unlink(self.address.unix)  # noqa: PTH108 (pathlib is slow to import)
            except OSError:  # who has given up its rights leaves it behind; the next one takes it away
                pass
        self._file = None


def listen(
    address: Address, engines: int, alone: bool = True, mode: int = 0o660, group: str = "", option: str = "--port"
) -> Listener:
    """A listener at the address. Raises ConfigError, naming the remedy.

    alone        no IPv4 address is bound beside an IPv6 one
    mode, group  of a socket at a path
    option       that chooses another port, for the remedy
    """
    if address.fd:
        raise ConfigError(f"the server inherited no socket {address}: see the .socket unit, or name an address")
    if address.unix:
        return _listen_at_path(address, mode, group)
    family, place = resolve(address)
    last = address.port if address.port_was_asked or address.port == 0 else min(65535, address.port + _TRIES - 1)
    for port in range(address.port, last + 1):
        try:
            return Listener(address, _open(family, (place[0], port, *place[2:]), engines, alone))
        except Refused as why:
            if why.errno != errno.EADDRINUSE or port == last:
                raise ConfigError(at_port(why, address, last, option)) from why
    raise AssertionError("the range of ports is never empty")


# At an address of the network.


def _open(family: int, place: tuple[Any, ...], engines: int, alone: bool) -> list[socket.socket]:
    # Without SO_REUSEPORT first: with it, a port that another server of ours holds would seem free.
    first = _bound(family, place, alone, shared=False)
    if engines == 1:
        with doing("listen"):
            first.listen(BACKLOG)
        return [first]
    place = first.getsockname()
    first.close()
    sockets: list[socket.socket] = []
    try:
        for _ in range(engines):
            sockets.append(_bound(family, place, alone, shared=True))
        with doing("listen"):
            for one in sockets:
                one.listen(BACKLOG)
    except Refused:
        for one in sockets:
            one.close()
        raise
    return sockets


def _bound(family: int, place: tuple[Any, ...], alone: bool, shared: bool) -> socket.socket:
    one = _socket(family)
    try:
        with doing("setsockopt"):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not alone)
            # Accept when there is something to read (tcp(7)); whoever says nothing comes a second later. One wait less
            # for each connection: of 20 µs of CPU 16 are left where every request has its own.
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
        with doing("bind"):
            one.bind(place)
        if not shared:
            _probe_listen(one)
    except Refused:
        one.close()
        raise
    return one


def _socket(family: int) -> socket.socket:
    with doing("socket"):
        return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)


def _probe_listen(one: socket.socket) -> None:
    """bind(2) lets two sockets with SO_REUSEADDR have one port until one of them listens; so ask now."""
    with doing("listen"):
        one.listen(1)


# At a path.


def _listen_at_path(address: Address, mode: int, group: str) -> Listener:
    path = address.unix
    listener = Listener(address, [])
    try:
        one = _socket(socket.AF_UNIX)
        listener.sockets.append(one)
        if path.startswith("@"):
            with doing("bind"):
                one.bind("\0" + path[1:])
        else:
            with doing("bind"):
                _take_away_stale(path)
                one.bind(path)
            listener.watch_path()
            # No client can connect before listen(2), so there is no moment at which others may.
            with doing("chown"):
                os.chown(path, -1, find_group(group, "server.socket_group") if group else -1)
            with doing("chmod"):
                os.chmod(path, mode)  # noqa: PTH101
        with doing("listen"):
            one.listen(BACKLOG)
    except Refused as why:
        listener.close()
        raise ConfigError(at_path(why, address, group)) from why
    except ConfigError:
        listener.close()
        raise
    return listener


def _take_away_stale(path: str) -> None:
    """A socket that a server has left behind goes, if no process answers there. Raises ConfigError, OSError."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigError(f"{path!r} exists and is not a socket: move it away, or choose another path")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_ANSWERS_S)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)  # noqa: PTH108
            return
        except (BlockingIOError, TimeoutError):  # somebody does, and his queue is full
            pass
        except OSError as error:
            why = "it is a socket of another kind" if error.errno == errno.EPROTOTYPE else error.strerror
            raise ConfigError(f"cannot tell whether a server listens at 'unix:{path}': {why}; remove it") from error
    raise ConfigError(f"another server listens at 'unix:{path}': stop it, or choose another path")


def _file_at(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _path_of(name: str | bytes) -> str:
    """The name of a unix socket as an address has it."""
    if isinstance(name, bytes):  # without a path: it may hold any bytes
        return "@" + os.fsdecode(name[1:])
    return name
