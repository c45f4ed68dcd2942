"""An atom in words: its call with the arguments that tell something, and its conditions as a reader would say them.

Only the drawing needs this; a listing names cells and flags as they are.
"""

from __future__ import annotations

import socket
from collections.abc import Collection
from typing import Final

from . import flags as f
from .calls import Atom
from .cells import Cell, Kind
from .check import Frozen

# The arguments that make one atom differ from another of the same call. Descriptors seldom do.
TELLING: Final[dict[str, tuple[str, ...]]] = {
    "getpid": (),
    "umem_add": ("cell", "increment"),
    "umem_sub": ("cell", "decrement"),
    "pipe2": (),
    "accept4": (),
    "setsockopt": ("option",),
    "recv": ("buffer", "length", "flags"),
    "send": ("data", "length", "flags"),
    "sendfile": ("file", "offset", "count"),
    "shutdown": ("direction",),
    "close": ("fd",),
    "openat2": ("path",),
    "read": ("buffer", "length"),
    "pread": ("buffer", "length", "offset"),
    "write": ("data", "length"),
    "nanosleep": ("nanoseconds",),
    "pwrite": ("data", "length", "offset"),
    "statx": ("path",),
    "getdents64": ("buffer", "length"),
    "fsync": (),
    "fdatasync": (),
    "fallocate": ("offset", "length"),
    "ftruncate": ("length",),
    "renameat2": ("old", "new"),
    "unlinkat": ("path",),
    "mkdirat": ("path",),
    "fadvise64": ("offset", "length", "advice"),
    "readahead": ("offset", "count"),
    "socket": (),
    "bind": ("address",),
    "listen": ("backlog",),
    "connect": ("address",),
    "getsockopt": ("option",),
    "splice": ("length",),
    "recv_head": (),
    "recv_proxy": (),
    "decide": (),
    "respond": (),
    "discard": ("most",),
    "poll": ("events",),
    "sendmsg": ("first", "second", "flags"),
    "readv": ("first", "second"),
    "writev": ("first", "second"),
}


def _constants(names: str) -> dict[int, str]:
    """The numbers that these names have on this machine; a name unknown to it is left out."""
    return {int(getattr(socket, name)): name for name in names.split() if hasattr(socket, name)}


_OPTIONS: Final[dict[int, dict[int, str]]] = {
    socket.IPPROTO_TCP: _constants(
        "TCP_NODELAY TCP_CORK TCP_DEFER_ACCEPT TCP_QUICKACK TCP_FASTOPEN TCP_USER_TIMEOUT TCP_KEEPIDLE "
        "TCP_KEEPINTVL TCP_KEEPCNT TCP_MAXSEG TCP_LINGER2 TCP_SYNCNT TCP_WINDOW_CLAMP TCP_CONGESTION"
    ),
    socket.SOL_SOCKET: _constants(
        "SO_REUSEADDR SO_REUSEPORT SO_KEEPALIVE SO_LINGER SO_SNDBUF SO_RCVBUF SO_RCVLOWAT SO_SNDLOWAT "
        "SO_RCVTIMEO SO_SNDTIMEO SO_BROADCAST SO_OOBINLINE SO_PRIORITY SO_MARK SO_INCOMING_CPU SO_BINDTODEVICE"
    ),
}
_DIRECTIONS: Final = _constants("SHUT_RD SHUT_WR SHUT_RDWR")
_MESSAGE: Final = _constants("MSG_MORE MSG_DONTWAIT MSG_PEEK MSG_WAITALL MSG_TRUNC MSG_OOB MSG_EOR")

_SIGNS: Final = (-1, 0, 1)
_SIGNS_IN_WORDS: Final[dict[frozenset[int], str]] = {
    frozenset({-1}): "negative",
    frozenset({0}): "zero",
    frozenset({1}): "positive",
    frozenset({-1, 0}): "not positive",
    frozenset({-1, 1}): "nonzero",
    frozenset({0, 1}): "not negative",
}


def signs(flags: int, stopping: bool) -> frozenset[int]:
    """The signs of a result with which an atom stops, or with which it does not."""
    return frozenset(sign for sign in _SIGNS if f.stops(flags, sign) is stopping)


def if_result(is_one_of: Collection[int], word: str = " if ") -> str:
    """ " if negative" and the like; nothing when it makes no difference."""
    said = _SIGNS_IN_WORDS.get(frozenset(is_one_of))
    return word + said if said else ""


def flag_names(flags: int) -> str:
    """The flags as flags.py calls them."""
    conditions = {f"STOP_ON_{name.upper()}": bit for name, bit in f.STOP_ON.items()}
    names = {**f.MANNER, **conditions, "SKIP_TO_NEXT_ON_STOP": f.SKIP_TO_NEXT_ON_STOP}
    return "|".join(name for name, bit in names.items() if flags & bit)


def plain(text: str) -> str:
    """Printable ASCII, one letter a column; whatever else there is appears as in a Python string."""
    return "".join(c if c.isascii() and c.isprintable() else ascii(c)[1:-1] for c in text)


def telling(frozen: Frozen, atom: Atom) -> str:
    """The call as a drawing has it, such as setsockopt(TCP_NODELAY), and how it is carried out if that was said."""
    by_name = {name: frozen.cells[n] for name, n in zip(atom.call.parameters, atom.args, strict=True)}
    said = [_argument(by_name, name) for name in TELLING[atom.call.name]]
    manner = [name for name, bit in f.MANNER.items() if atom.flags & bit]
    return " ".join([f"{atom.call.name}({', '.join(filter(None, said))})", *manner])


def _argument(by_name: dict[str, Cell], name: str) -> str:
    """One argument: a name where there is one, else the number; no flags at all say nothing."""
    cell = by_name[name]
    if name in ("path", "old", "new"):
        return '"' + plain(cell.content.split(b"\0")[0].decode("utf-8", "backslashreplace")) + '"'
    if cell.kind is not Kind.CONST or cell.param:
        return plain(cell.name)
    if name == "flags":
        return _message_flags(cell.value)
    if name == "direction":
        return _DIRECTIONS.get(cell.value, str(cell.value))
    if name == "option":
        return _OPTIONS.get(by_name["level"].value, {}).get(cell.value, str(cell.value))
    return str(cell.value)


def _message_flags(value: int) -> str:
    """MSG_NOSIGNAL is not told: every send has it."""
    value &= ~socket.MSG_NOSIGNAL
    unknown = value & ~sum(_MESSAGE)
    return "|".join([word for bit, word in _MESSAGE.items() if value & bit] + [f"{unknown:#x}"] * bool(unknown))


def landed(frozen: Frozen, number: int | None) -> int | None:
    """The atom where a run that goes on at `number` does something again: a landing atom is only an arrow."""
    for _ in frozen.atoms:
        if number is None or not frozen.atoms[number].landing:
            break
        number = frozen.atoms[number].next
    return number
