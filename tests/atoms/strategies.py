"""Random chains that are valid, end, and do the same whoever runs them.

    @given(chains())
    def test_something(frozen: Frozen) -> None:
        with world() as w:
            reference.run(frozen, {**w.params, **numbers}, ...)

A chain takes the descriptors of world.py as params, and the numbers of NUMBER_PARAMS; `params()` draws values for the
latter. Its calls are those whose results depend on nothing but the chain and the world: no getpid, nothing that waits
for somebody else. Every chain has a budget, except those that go straight on. Lengths may exceed their memory and
descriptors may be closed or wrong: that is what should end in the same way everywhere.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable
from struct import pack

from hypothesis import settings
from hypothesis import strategies as st

from tuxpy.atoms import Cell, Chain, Frozen, Stop, flags
from tuxpy.atoms.chain import END
from tuxpy.atoms.check import NUMBER_MAX, NUMBER_MIN

from .world import LENT

# The machine may be busy, so no deadline; a run leaves nothing behind, so no database.
QUICK = settings(deadline=None, database=None, max_examples=100)

ATOMS_MOST = 12
BUDGET_MOST = 60
NUMBER_PARAMS = ("given", "fixed")
SHARED = 3  # shared numbers in use

CHANCE = ("told", "entries")  # buffers that nobody should compare
ADDRESSES = (pack("=H2s12x", socket.AF_INET, b"\0\1") + b"", pack("=HH4s8x", 2, 256, b"\x7f\0\0\1"), pack("=H", 77))

NUMBERS = st.one_of(st.integers(-3, 3), st.integers(-70, 70), st.sampled_from([NUMBER_MIN, NUMBER_MAX, 1 << 32]))
STOPS = st.lists(st.sampled_from(list(flags.STOP_ON)), max_size=2, unique=True).map(tuple)
MANNERS = st.sampled_from([0, 0, 0, flags.ASYNC, flags.SYNC, flags.NO_COMPLETE])


def params() -> st.SearchStrategy[dict[str, int]]:
    """Values for the params that are numbers."""
    return st.fixed_dictionaries(dict.fromkeys(NUMBER_PARAMS, NUMBERS))


def shared_numbers() -> st.SearchStrategy[list[int]]:
    """What the shared numbers hold at first, all 16 of them."""
    return st.lists(NUMBERS, min_size=16, max_size=16)


@st.composite
def chains(draw: st.DrawFn) -> Frozen:
    """A valid chain."""
    straight = draw(st.booleans())
    chain = Chain("random", budget=0 if straight else draw(st.integers(1, BUDGET_MOST)))
    cells = _Cells(chain, draw)
    labels = [f"a{n}" for n in range(draw(st.integers(1, ATOMS_MOST)))]
    places = st.sampled_from([None, None, END, *labels])
    for label in labels:
        call = draw(st.sampled_from(sorted(_CALLS)))
        args, ret = _CALLS[call](cells)
        stop_on: tuple[Stop, ...] = draw(STOPS)
        chain.add(
            call,
            *args,
            ret=ret,
            label=label,
            stop_on=stop_on,
            on_stop=draw(places) if stop_on and not straight else None,
            next=None if straight else draw(places),
            flags=draw(MANNERS),
        )
    return chain.freeze()


class _Cells:
    """The cells of one chain, and a choice among them for every kind of argument."""

    def __init__(self, chain: Chain, draw: st.DrawFn) -> None:
        self._draw = draw
        self.ints = [chain.int(name, draw(NUMBERS)) for name in ("i", "j", "k")]
        self.ints.append(chain.param("given"))
        self.shared = [chain.shared(index, f"shared_{index}") for index in range(SHARED)]
        self.numbers = [*self.ints, chain.param("fixed", writable=False)]
        self.lent = {name: chain.param(name, writable=False) for name in LENT}
        self.owned = [chain.fd("opened"), chain.fd("other")]
        self.buffers = [chain.buffer(16, "small"), chain.buffer(100, "large")]
        self.data = chain.data(b"twenty bytes of data", "text")
        self.paths = [chain.data(name + b"\0", "path") for name in (b"source", b"sink", b".", b"absent")]
        self.names = [chain.data(name + b"\0", "path") for name in (b"made", b"sink", b"source", b"absent", b"made/in")]
        self.nothing = chain.data(b"\0", "path")
        self.addresses = [chain.data(raw, "address") for raw in ADDRESSES]
        self.told = chain.buffer(256, "told")  # what it holds then is chance
        self.entries = chain.buffer(4096, "entries")
        hows = (os.O_RDONLY, 0, 0), (os.O_RDONLY, 0, 1 << 40), (os.O_WRONLY, 0, 0)
        self.hows = [chain.data(pack("=QQQ", flag | os.O_CLOEXEC, mode, rest), "how") for flag, mode, rest in hows]

    def one(self, *choices: Cell | int) -> Cell | int:
        return self._draw(st.sampled_from(choices))

    def cell(self, *choices: Cell) -> Cell:
        return self._draw(st.sampled_from(choices))

    def fd(self, *fitting: str) -> Cell | int:
        """A descriptor: mostly one that fits, or one that was opened; now and then one that is plainly wrong."""
        fit = [self.lent[name] for name in fitting]
        return self.one(*fit * 3, *self.owned * 2, *self.lent.values(), -1)

    def number(self) -> Cell | int:
        return self.one(*self.numbers, self._draw(NUMBERS))

    def length(self, *sensible: int) -> Cell | int:
        return self.one(*sensible, *sensible, *self.numbers)

    def result(self) -> Cell | None:
        return self._draw(st.sampled_from([None, *self.ints[:3]]))


_Made = tuple[tuple[Cell | int, ...], Cell | None]


def _umem_add(c: _Cells) -> _Made:
    return (c.cell(*c.ints, *c.shared), c.number()), c.result()


def _openat2(c: _Cells) -> _Made:
    directory = c.one(c.lent["directory"], c.lent["directory"], c.lent["source"], *c.owned)
    how = c.cell(c.hows[0], *c.hows)
    return (directory, c.cell(c.paths[0], *c.paths), how, c.one(24, 24, 24, 24, 8, 32)), c.cell(*c.owned)


def _close(c: _Cells) -> _Made:
    return (c.cell(*c.owned),), c.result()


def _read(c: _Cells) -> _Made:
    return (c.fd("source", "stream"), c.cell(*c.buffers), c.length(0, 1, 16)), c.result()


def _pread(c: _Cells) -> _Made:
    offset = c.one(0, 150, 199, 1000, c.number())
    return (c.fd("source"), c.cell(*c.buffers), c.length(0, 1, 16), offset), c.result()


def _write(c: _Cells) -> _Made:
    return (c.fd("sink", "stream"), c.cell(c.data, *c.buffers), c.length(0, 1, 16)), c.result()


def _recv(c: _Cells) -> _Made:
    return (c.fd("stream"), c.cell(*c.buffers), c.length(1, 16), c.one(0, socket.MSG_PEEK)), c.result()


def _send(c: _Cells) -> _Made:
    return (c.fd("stream"), c.cell(c.data, *c.buffers), c.length(0, 1, 16), c.one(0, socket.MSG_MORE)), c.result()


def _sendfile(c: _Cells) -> _Made:
    target = c.one(c.lent["stream"], c.lent["sink"], *c.owned)
    offset = c.one(0, 0, 50, 199, c.number())
    return (target, c.fd("source"), offset, c.length(0, 1, 16, 150, 300)), c.result()


def _setsockopt(c: _Cells) -> _Made:
    level, option = c._draw(st.sampled_from([(socket.SOL_SOCKET, socket.SO_KEEPALIVE), (socket.IPPROTO_TCP, 1)]))
    return (c.fd("stream"), level, option, c.cell(c.data, *c.buffers), c.length(4, 4, 1)), c.result()


def _shutdown(c: _Cells) -> _Made:
    return (c.fd("stream"), c.one(socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR, 7)), c.result()


def _nanosleep(c: _Cells) -> _Made:
    return (c.one(0, 1, 1000, -1),), c.result()


def _pwrite(c: _Cells) -> _Made:
    return (c.fd("sink"), c.cell(c.data, *c.buffers), c.length(0, 1, 16), c.one(0, 3, 200, -1)), c.result()


def _statx(c: _Cells) -> _Made:
    directory = c.one(c.lent["directory"], c.lent["source"], *c.owned)
    flags = c.one(0, 0, 0x100, 0x1000, 0x800, 1 << 20)  # AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_NO_AUTOMOUNT, none
    path = c.cell(*c.paths, *c.names, c.nothing)
    return (directory, path, flags, c.one(0x7FF, 0, 1 << 31), c.told, c.one(256, 256, 256, 255)), c.result()


def _getdents64(c: _Cells) -> _Made:
    return (c.fd("directory"), c.entries, c.one(4096, 4096, 8, 5000)), c.result()


def _fsync(c: _Cells) -> _Made:
    return (c.fd("sink", "directory"),), c.result()


def _fallocate(c: _Cells) -> _Made:
    return (c.fd("sink"), c.one(0, 1, 99), c.one(0, 100, -1), c.one(1, 50, 0)), c.result()


def _ftruncate(c: _Cells) -> _Made:
    return (c.fd("sink"), c.one(0, 5, 16, -1)), c.result()


def _name(c: _Cells) -> tuple[Cell | int, Cell]:
    return c.one(c.lent["directory"], c.lent["directory"], c.lent["source"], *c.owned), c.cell(*c.names)


def _renameat2(c: _Cells) -> _Made:
    return (*_name(c), *_name(c), c.one(0, 0, 1, 2, 64)), c.result()  # RENAME_NOREPLACE, RENAME_EXCHANGE


def _unlinkat(c: _Cells) -> _Made:
    return (*_name(c), c.one(0, 0x200, 3)), c.result()  # AT_REMOVEDIR


def _mkdirat(c: _Cells) -> _Made:
    return (*_name(c), 0o700), c.result()


def _fadvise64(c: _Cells) -> _Made:
    return (c.fd("source"), c.one(0, 50, -1), c.one(0, 100, -1), c.one(0, 3, 4, 77)), c.result()


def _readahead(c: _Cells) -> _Made:
    return (c.fd("source"), c.one(0, 50, -1), c.one(0, 100, 1 << 20)), c.result()


def _socket(c: _Cells) -> _Made:
    kind = socket.SOCK_STREAM | c._draw(st.sampled_from([0, socket.SOCK_NONBLOCK])) | socket.SOCK_CLOEXEC
    return (c.one(socket.AF_INET, socket.AF_UNIX, 12345), c.one(kind, kind, 99), c.one(0, 0, 77)), c.cell(*c.owned)


def _bind(c: _Cells) -> _Made:
    return (c.fd("stream"), c.cell(*c.addresses), c.one(16, 2, 17, 0)), c.result()


def _listen(c: _Cells) -> _Made:
    return (c.one(c.lent["stream"], c.lent["source"], -1), 5), c.result()


def _getsockopt(c: _Cells) -> _Made:
    option = c.one(socket.SO_TYPE, socket.SO_DOMAIN, 9999)
    return (c.fd("stream"), c.one(socket.SOL_SOCKET, 6), option, c.cell(*c.buffers), c.length(4, 4, 16)), c.result()


def _splice(c: _Cells) -> _Made:
    way = c._draw(st.sampled_from([("source", "drain"), ("spring", "sink"), ("spring", "drain"), ("source", "sink")]))
    from_, to = (c.one(c.lent[name], c.lent[name], -1) for name in way)
    offset = c.one(-1, -1, 0, 100) if way[0] == "source" else c.one(-1, -1, 5)
    onto = c.one(-1, -1, 0, 100) if way[1] == "sink" else c.one(-1, -1, 5)
    return (from_, offset, to, onto, c.length(0, 1, 16, 300), c.one(0, 1, 2, 128)), c.result()


def _poll(c: _Cells) -> _Made:
    fd = c._draw(st.sampled_from(["source", "stream", "spring", "sink", "drain", "directory"]))
    events = {"spring": [select.POLLIN], "drain": [select.POLLOUT]}.get(fd, [select.POLLIN, select.POLLOUT, 5])
    return (c.one(c.lent[fd], c.lent[fd], -1), c.one(*events, 0, select.POLLPRI)), c.result()


def _sendmsg(c: _Cells) -> _Made:
    memory = c.cell(c.data, *c.buffers), c.length(0, 1, 16), c.cell(c.data, *c.buffers), c.length(0, 1, 16)
    return (c.fd("stream"), *memory, c.one(0, socket.MSG_MORE)), c.result()


def _readv(c: _Cells) -> _Made:
    memory = c.cell(*c.buffers), c.length(0, 1, 16), c.cell(*c.buffers), c.length(0, 1, 16)
    return (c.fd("source", "spring"), *memory), c.result()


def _writev(c: _Cells) -> _Made:
    memory = c.cell(c.data, *c.buffers), c.length(0, 1, 16), c.cell(c.data, *c.buffers), c.length(0, 1, 16)
    return (c.fd("sink", "drain"), *memory), c.result()


_CALLS: dict[str, Callable[[_Cells], _Made]] = {
    "umem_add": _umem_add,
    "umem_sub": _umem_add,
    "openat2": _openat2,
    "close": _close,
    "read": _read,
    "pread": _pread,
    "write": _write,
    "recv": _recv,
    "send": _send,
    "sendfile": _sendfile,
    "setsockopt": _setsockopt,
    "shutdown": _shutdown,
    "nanosleep": _nanosleep,
    "pwrite": _pwrite,
    "statx": _statx,
    "getdents64": _getdents64,
    "fsync": _fsync,
    "fdatasync": _fsync,
    "fallocate": _fallocate,
    "ftruncate": _ftruncate,
    "renameat2": _renameat2,
    "unlinkat": _unlinkat,
    "mkdirat": _mkdirat,
    "fadvise64": _fadvise64,
    "readahead": _readahead,
    "socket": _socket,
    "bind": _bind,
    "listen": _listen,
    "getsockopt": _getsockopt,
    "splice": _splice,
    "poll": _poll,
    "sendmsg": _sendmsg,
    "readv": _readv,
    "writev": _writev,
}
