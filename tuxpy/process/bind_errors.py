"""Why a listening socket cannot be had, in a sentence that names what can be done.

The error number alone does not tell it: EPERM of bind(2) may be the port's, of setsockopt(2) it is a filter's. So the
step that failed is known beside it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ..config.settings import Address

_FIRST_FREE: Final = "/proc/sys/net/ipv4/ip_unprivileged_port_start"  # ip(7)
_FILTERS: Final = "look at the seccomp filter, at SELinux or AppArmor, or at SystemCallFilter= of its unit"


class Refused(Exception):
    """A step towards a listening socket failed: `doing` is a system call's name."""

    def __init__(self, doing: str, error: OSError) -> None:
        super().__init__(doing, error)
        self.doing, self.errno = doing, error.errno or 0

    @property
    def words(self) -> str:
        return os.strerror(self.errno) if self.errno else str(self.args[1])


@contextmanager
def doing(step: str) -> Iterator[None]:
    """An OSError within is Refused with this step."""
    try:
        yield
    except OSError as error:
        raise Refused(step, error) from error


def at_port(why: Refused, address: Address, last: int, option: str = "--port") -> str:
    """last: of the ports that were tried, from the address's own on. option: the one that chooses another port."""
    port, host = address.port, address.host
    if general := _anywhere(why):
        return general
    if why.doing in ("bind", "listen"):
        if why.errno == errno.EADDRINUSE and port == 0:
            return f"no port of {host} is free: wait until connections have ended, or choose one with {option}"
        if why.errno == errno.EADDRINUSE:
            taken = f"port {port} of {host} is" if last == port else f"ports {port} to {last} of {host} are"
            return f"{taken} taken by another server: stop it, or choose another with {option} (0: any free one)"
        if why.errno in (errno.EACCES, errno.EPERM) and 0 < port < first_free_port():
            return (
                f"port {port} may only be taken by root: choose one from {first_free_port()} on,"
                " or give the program the capability CAP_NET_BIND_SERVICE"
            )
        if why.errno == errno.EADDRNOTAVAIL:
            return f"{host} is not an address of this machine: give one of its own, or 0.0.0.0 for all"
    return f"cannot listen at {address}: {_failed(why)}"


def at_path(why: Refused, address: Address, owner: str) -> str:
    """owner: the group that the socket at the path shall have, "" for our own."""
    path = address.unix
    where = os.path.dirname(path) or "."  # noqa: PTH120 (pathlib is slow to import)
    if general := _anywhere(why):
        return general
    if why.errno == errno.EADDRINUSE:
        return f"another server listens at {address}: stop it, or choose another path"
    if why.doing == "chown":
        return f"{address} cannot be given to the group {owner!r}: {why.words}; start as root, or as a member of it"
    if why.doing == "bind" and not why.errno:  # what Python itself refuses
        return f"cannot listen at {address}: the path of a socket has 107 bytes at most; choose a shorter one"
    if why.errno in (errno.ENOENT, errno.ENOTDIR):
        return f"cannot listen at {address}: there is no directory {where!r}; make it, or choose another path"
    if why.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"cannot listen at {address}: {where!r} may not be written to ({why.words}); choose another path or user"
    return f"cannot listen at {address}: {_failed(why)}"


def first_free_port() -> int:
    """The lowest one that needs no right."""
    try:
        with open(_FIRST_FREE) as file:
            return int(file.read())
    except (OSError, ValueError):
        return 1024


def _anywhere(why: Refused) -> str:
    """What has nothing to do with the address; "" when it may have."""
    if why.errno in (errno.EMFILE, errno.ENFILE):
        return "there are too many open files for another socket: raise the limit with ulimit -n or LimitNOFILE="
    if why.errno in (errno.ENOMEM, errno.ENOBUFS):
        return f"the kernel has no memory for another socket ({why.words}): end something else, or raise the limit"
    if why.doing == "socket" and why.errno in (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT):
        return "this system has no sockets of that kind: give an IPv4 address, or look at RestrictAddressFamilies="
    if why.doing in ("socket", "setsockopt", "listen") and why.errno in (errno.EPERM, errno.EACCES, errno.ENOSYS):
        return f"{_failed(why)}: {_FILTERS}"
    return ""


def _failed(why: Refused) -> str:
    return f"the system call {why.doing} is refused ({why.words})"
