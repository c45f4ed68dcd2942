"""The addresses of this machine, from the kernel, and those that a name stands for."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from typing import Any, Final

from ..errors import ConfigError
from .settings import Address


def resolve(address: Address) -> tuple[int, tuple[Any, ...]]:
    """Family and socket address of a host and port; a name may have to be asked for. Raises ConfigError."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        if getattr(error, "errno", 0) == socket.EAI_AGAIN:
            raise ConfigError(
                f"the name {address.host!r} cannot be looked up now (no resolver answers): give an IP address"
            ) from error
        why = getattr(error, "strerror", None) or "it is not a name"
        raise ConfigError(f"there is no host {address.host!r} ({why}): give a name or IP address") from error
    family, _, _, _, place = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, tuple(place)


def is_ours(address: Address) -> bool:
    """Whether a socket of this machine may be bound to that host, whatever the port. Raises ConfigError."""
    family, place = resolve(address)
    try:
        with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as one:
            one.bind((place[0], 0, *place[2:]))
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL
    return True


def local_addresses(family: int = socket.AF_UNSPEC) -> list[str]:
    """Addresses under which other machines may reach this one; none when the kernel will not say.

    Asked over netlink (rtnetlink(7)): the resolver knows what a name stands for, not what an interface has.
    """
    request = struct.pack("=IHHIIBBBBI", 24, _GET_ADDRESSES, _REQUEST_ALL, 1, 0, family, 0, 0, 0, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
            kernel.settimeout(1)
            kernel.sendall(request)
            found: list[str] = []
            while True:
                for kind, message in _messages(kernel.recv(1 << 16)):
                    if kind != _NEW_ADDRESS:
                        return found
                    found.extend(_global_address(message))
    except OSError:
        return []


_GET_ADDRESSES: Final = 22  # RTM_GETADDR
_NEW_ADDRESS: Final = 20  # RTM_NEWADDR
_REQUEST_ALL: Final = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_SCOPES: Final = (0, 200)  # RT_SCOPE_UNIVERSE, RT_SCOPE_SITE: neither one link nor this host alone
_PEER, _LOCAL = 1, 2  # IFA_ADDRESS, IFA_LOCAL; the same but on a point-to-point link


def _messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, what follows the header) of every netlink message; each begins at a multiple of four."""
    while len(datagram) >= 16:
        size, kind = struct.unpack_from("=IH", datagram)
        yield kind, datagram[16:size]
        datagram = datagram[max(16, size + 3 & ~3) :]


def _global_address(message: bytes) -> Iterator[str]:
    family, scope = message[0], message[3]
    if scope not in _SCOPES or family not in (socket.AF_INET, socket.AF_INET6):
        return
    fields: dict[int, bytes] = {}
    rest = message[8:]
    while len(rest) >= 4:
        size, kind = struct.unpack_from("=HH", rest)
        fields[kind] = rest[4:size]
        rest = rest[max(4, size + 3 & ~3) :]
    address = fields.get(_LOCAL, fields.get(_PEER))
    if address:
        yield socket.inet_ntop(family, address)
