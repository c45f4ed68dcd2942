"""One call with friendly arguments.

It becomes a chain of one atom. Such chains are made once for every call and size: memory comes in classes, a power of
four each, so there are few of them.
"""

from __future__ import annotations

import os
from functools import lru_cache
from struct import pack
from typing import Any, Final

from ..atoms import CALLS, Call, Chain, Frozen
from ..atoms.check import BUFFER_BYTES_MAX, call_named
from .completion import Completion
from .params import Given, content, number
from .views import STATX_BASIC, STATX_BYTES

_SIZES: Final = tuple(16 << 2 * step for step in range(9))  # 16 bytes to 1 MiB


def _room(size: int) -> int:
    for have in _SIZES:
        if size <= have:
            return have
    raise ValueError(f"{size} bytes: a call moves at most {BUFFER_BYTES_MAX}, so take it in pieces")


@lru_cache(maxsize=512)
def one_atom(name: str, sizes: tuple[int, ...]) -> Frozen:
    """The chain of this one call; sizes: of its memory arguments, in order."""
    call = CALLS[name]
    c, rooms, args = Chain(name), iter(sizes), []
    for kind, parameter in zip(call.kinds, call.parameters, strict=True):
        if kind in "zr":
            args.append(c.data(bytes(next(rooms)), parameter))
        elif kind == "w":
            args.append(c.buffer(next(rooms), parameter))
        elif kind == "F":
            args.append(c.fd(parameter, param=True))
        else:
            args.append(c.param(parameter, writable=kind == "c"))
    c.add(name, *args, ret=c.fd("made") if call.makes_fd else None)
    return c.freeze()


def _how(value: Any) -> bytes:
    """struct open_how of flags, of (flags, mode) or (flags, mode, resolve); of bytes themselves."""
    if isinstance(value, bytes):
        return value
    flags, mode, resolve = (*value, 0, 0)[:3] if isinstance(value, tuple) else (value, 0, 0)
    return pack("=QQQ", flags | os.O_CLOEXEC, mode, resolve)


def _usual(name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments that have a friendlier form, or a usual value."""
    if name == "openat2":
        return (*args[:2], _how(args[2] if len(args) > 2 else os.O_RDONLY), *args[3:])
    if name == "statx":
        return (*args[:2], *(*args[2:], *(0, STATX_BASIC)[len(args) - 2 :])[:2], STATX_BYTES)
    return args


def known(name: str) -> Call:
    """The call, if a program may make it. ValueError says why not."""
    call = call_named(name, "called", name)
    if call.http:
        raise ValueError(f"{name} belongs to the HTTP engine")
    if "O" in call.kinds:
        raise ValueError(f"{name} makes two descriptors, and a call gives one: use os.{name}, or it in a chain")
    return call


def one_call(call: Call, args: tuple[Any, ...]) -> tuple[Frozen, dict[str, Given]]:
    """The chain and the values for it. A length is not given: it is that of the bytes, or of the room asked for."""
    args = _usual(call.name, args)
    wanted = [name for kind, name in zip(call.kinds, call.parameters, strict=True) if kind != "n"]
    if len(args) != len(wanted):
        raise TypeError(f"{call.name}({', '.join(wanted)}) takes {len(wanted)} arguments, not {len(args)}")
    values: dict[str, Given] = {}
    sizes: list[int] = []
    left = iter(args)
    length = 0
    for kind, name in zip(call.kinds, call.parameters, strict=True):
        if kind == "n":
            values[name] = length
            continue
        value = next(left)
        if kind == "w":
            length = number(value)
            if length < 0:
                raise ValueError(f"{length} bytes of {name}")
            sizes.append(length)
        elif kind in "zr":
            values[name] = value = content(value)
            length = len(value)
            sizes.append(length + (kind == "z"))
        else:
            values[name] = value
    rooms = tuple(map(_room, sizes))
    if sum(rooms) > BUFFER_BYTES_MAX:
        rooms = tuple(size + 15 & ~15 for size in sizes)  # no class has room for that
    return one_atom(call.name, rooms), values


def made(frozen: Frozen) -> str | None:
    """The cell of the descriptor that a call of one atom makes."""
    return "made" if frozen.atoms[0].call.makes_fd else None


def result_of(completion: Completion, args: tuple[Any, ...]) -> Any:
    """What the one atom gave: bytes where it wrote them, a descriptor where it made one, else a number."""
    if not completion.ok:
        path = next((arg for arg in args if isinstance(arg, str | bytes | os.PathLike)), None)
        try:
            completion.check()
        except OSError as error:
            raise OSError(error.errno, os.strerror(error.errno or 0), path) from None
    atom = completion.chain.atoms[0]
    if atom.call.makes_fd:
        return completion.take_fd()
    written = [place for place, kind in enumerate(atom.call.kinds) if kind == "w"]
    if not written:
        return completion.result
    cells, left = completion.chain.cells, STATX_BYTES if atom.call.name == "statx" else completion.result
    pieces = []
    for place in written:
        length = min(left, int(completion[cells[atom.args[place + 1]].name]))  # the room is behind the memory
        pieces.append(completion.memory(cells[atom.args[place]].name, length))
        left -= length
    return pieces[0] if len(pieces) == 1 else pieces
