"""Bodies that are made here: pages of directories, and the codings of files.

A small one is bytes, which are sent behind their head. A larger one lies in a file without a name (memfd_create(2)), so
that it is sent by sendfile as any file, from the same memory to all who ask for it. A worker writes it piece by piece.

All of it takes at most `bytes_max` of the store. The bodies used last are kept. The oldest goes when there is no room,
but its memory comes back only when the last engine has let go of it: until then it counts. When nothing can go, Full is
raised: a file is sent as it is then, and a listing has to wait (503).
"""

from __future__ import annotations

import errno
import os
import tempfile
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Any, Final

from ..engine.native import ffi
from ..model import FileFact
from ..values import value_class

# A copy of so many bytes is cheaper than a second system call; what is longer is sent from a file.
IN_MEMORY_MAX: Final = 65536
BYTES_MAX: Final = 256 << 20
_COUNT_MAX: Final = 10_000
_FILES_MAX: Final = 256  # descriptors that are kept
_STEP_BYTES: Final = 1 << 20  # so much memory is asked for at a time
_FULL_S: Final = 1.0  # so long nothing more is tried


class Full(Exception):
    """There is no memory for another body that is made."""


class MemoryShare:
    """A share of the store's memory, held by all who may send from it. Engines count themselves in `counter`.

    Given back when Python and the last engine have let go."""

    __slots__ = ("_given_back", "counter", "size")

    def __init__(self, size: int, given_back: deque[tuple[Any, int]]) -> None:
        self.counter: Any = ffi.new("uint32_t *")
        self.size = size
        self._given_back = given_back

    def __del__(self) -> None:
        self._given_back.append((self.counter, self.size))  # no lock: it may happen anywhere


class _File:
    """A descriptor of our own, closed with the last reference to this."""

    __slots__ = ("fd",)

    def __init__(self) -> None:
        self.fd = _unnamed()

    def __del__(self) -> None:
        fd = getattr(self, "fd", -1)
        if fd >= 0:
            os.close(fd)


def _unnamed() -> int:
    if hasattr(os, "memfd_create"):
        try:
            return os.memfd_create("tuxpy", os.MFD_CLOEXEC)
        except OSError as error:  # a sandbox refuses it, or the kernel does not know it
            if error.errno not in (errno.EPERM, errno.EACCES, errno.ENOSYS):
                raise
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


@value_class(frozen=True, slots=True)
class Body:
    """`content` is all of it, or it lies in a file."""

    size: int
    lease: MemoryShare
    content: bytes = b""
    _file: _File | None = None

    def opened(self, path: bytes) -> FileFact | None:
        """The file with a descriptor that belongs to the caller, as the answer about `path`; None: it is `content`."""
        if self._file is None:
            return None
        fd = os.dup(self._file.fd)
        st = os.fstat(fd)
        times = st.st_mtime_ns, st.st_ctime_ns
        return FileFact(fd, path, st.st_dev, st.st_ino, st.st_size, *times, st.st_mode, self.lease)


class Writer:
    """One body while it is written, by one thread. Raises Full."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._taken = 0
        self._lease: MemoryShare | None = None
        self._small = bytearray()
        self._file: _File | None = None
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Behind what is there."""
        self.size += len(piece)
        if self.size > self._taken:
            more = max(self.size - self._taken, _STEP_BYTES if self._file else IN_MEMORY_MAX)
            self._store.take(more)
            self._taken += more
        if self._file is None and self.size <= IN_MEMORY_MAX:
            self._small += piece
            return
        if self._file is None:
            self._file = _File()
            _write_all(self._file.fd, self._small)
            self._small = bytearray()
        _write_all(self._file.fd, piece)

    def done(self) -> Body:
        """The body; the writer is of no more use."""
        self._store.give(self._taken - self.size)
        self._taken = 0
        lease = MemoryShare(self.size, self._store.given_back)
        return Body(self.size, lease, bytes(self._small), self._file)

    def __del__(self) -> None:
        if self._taken:  # it was never done
            self._store.given_back.append((None, self._taken))


def _write_all(fd: int, content: bytes | bytearray) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


class Store:
    """What was made last, by key. Any thread."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self.bytes_max = bytes_max
        self.given_back: deque[tuple[Any, int]] = deque()  # (engines that still hold it, bytes)
        self._held: list[tuple[Any, int]] = []  # the same, seen by us
        self._kept: OrderedDict[Hashable, Body] = OrderedDict()
        self._files = 0
        self._taken = 0
        self._full_until = 0.0
        self.was_full = False  # until somebody sees to it that engines let go of what they keep
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """Bytes that are in use, for all we know by now."""
        with self._lock:
            self._settle()
            return self._taken

    @property
    def is_full(self) -> bool:
        """Whether there was no room a moment ago: then it is not worth while to begin with another one."""
        return time.monotonic() < self._full_until

    def get(self, key: Hashable) -> Body | None:
        """What was kept under this key."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def keep(self, key: Hashable, body: Body) -> Body:
        """What is kept under this key from now on: what was there already, or else this."""
        gone: list[Body] = []  # let go when the lock is free
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            self._kept[key] = body
            self._files += body._file is not None
            while len(self._kept) > _COUNT_MAX or self._files > _FILES_MAX:
                gone.append(self._oldest())
        return body

    def clear(self) -> None:
        """Keep nothing any more."""
        with self._lock:
            while self._kept:
                self._oldest()

    def take(self, count: int) -> None:
        """So many bytes more are used. Raises Full."""
        with self._lock:
            self._settle()
            while self._taken + count > self.bytes_max and self._kept:
                self._oldest()
                self._settle()
            if self._taken + count > self.bytes_max:
                self._full_until = time.monotonic() + _FULL_S
                self.was_full = True
                raise Full
            self._taken += count

    def give(self, count: int) -> None:
        """So many bytes are not used after all."""
        with self._lock:
            self._taken -= count

    def _oldest(self) -> Body:
        _, body = self._kept.popitem(last=False)
        self._files -= body._file is not None
        return body

    def _settle(self) -> None:
        """Count what nobody holds any more."""
        while self.given_back:
            self._held.append(self.given_back.popleft())
        still = [(counter, size) for counter, size in self._held if counter is not None and counter[0]]
        if len(still) < len(self._held):
            self._taken -= sum(size for _, size in self._held) - sum(size for _, size in still)
            self._held = still


STORE: Final = Store()  # one for the process: keys are versions of files, whatever site they are of


def in_file(content: bytes) -> Body:
    """What is there in one piece already. Raises Full."""
    writer = Writer(STORE)
    writer.write(content)
    return writer.done()
