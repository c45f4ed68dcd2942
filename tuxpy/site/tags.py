"""Entity tags of files, as the policy has them made (RFC 9110 8.8.3), and the dates that go with them.

  file      modification time in nanoseconds, size and inode: another file of the same name has another tag
  time      the same without the inode: machines to which files were copied with their times agree. Where the time says
            nothing (see below), the content has to
  content   a digest of all bytes: machines with the same bytes agree, whatever their clocks say. The file is read once
            for each of its versions. Its time says nothing then, so there is no Last-Modified
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from dataclasses import replace
from typing import Final

from ..http import conditional
from ..model import FileFact
from ..values import value_class
from .respond import UNSETTLED_S
from .root import FileChanged
from .site import Site, fact

# Tools for reproducible builds set the time of every file to the epoch, or to the first day that ZIP can express:
# such a time says nothing, and a client that was told of it would never fetch the next version (RFC 9110 8.8.2.1).
NO_TIME_BEFORE_S: Final = 315_619_200  # 1980-01-02

_KEPT_MAX: Final = 65536
_PIECE_BYTES: Final = 1 << 20

_Version = tuple[int, int, int, int, int]


def etag(file: FileFact, site: Site) -> bytes:
    """The strong tag of this very version, quotes included. Raises FileChanged, errands.Later."""
    kind = site.policy.tag
    if kind == "file":  # where the time says nothing, that of the last change of anything has to
        return conditional.etag(file if _has_time(file) else replace(file, mtime_ns=file.ctime_ns))
    if kind == "time" and _has_time(file):
        return b'"%x-%x"' % (file.mtime_ns, file.size)
    return b'"%s"' % _digest(file, site)


def etag_beside(sibling: FileFact, coding: bytes, site: Site) -> bytes:
    """The same for a precompressed file: it often has the time of its original, and may have its size."""
    tag = etag(sibling, site)
    return b'%b-%b.beside"' % (tag[:-1], coding) if site.policy.tag == "time" else tag


def modified_s(file: FileFact, site: Site) -> int | None:
    """The modification date, in unix time; None when there is none that means anything."""
    return file.mtime_ns // 10**9 if site.policy.tag != "content" and _has_time(file) else None


def _has_time(file: FileFact) -> bool:
    return file.mtime_ns >= NO_TIME_BEFORE_S * 10**9


def is_settled(file: FileFact) -> bool:
    """Whether bytes that are read now are those of this version for good: another write may still leave all its facts
    as they are, since times go in ticks."""
    return abs(time.time() - file.ctime_ns / 10**9) >= UNSETTLED_S


@value_class(frozen=True, slots=True)
class _Digest:
    """`for_good`: the file was settled when it was read; else it is read again when it is."""

    digest: bytes
    for_good: bool


class Digests:
    """What was hashed last, by version."""

    def __init__(self) -> None:
        self._known: OrderedDict[_Version, _Digest] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, file: FileFact) -> bytes | None:
        with self._lock:
            found = self._known.get(_version(file))
            if found is None or (not found.for_good and is_settled(file)):
                return None
            self._known.move_to_end(_version(file))
            return found.digest

    def put(self, file: FileFact, digest: _Digest) -> None:
        with self._lock:
            self._known[_version(file)] = digest
            if len(self._known) > _KEPT_MAX:
                self._known.popitem(last=False)


_DIGESTS: Final = Digests()  # one for the process: the key is the version, whatever site it is of


def _version(file: FileFact) -> _Version:
    return file.dev, file.ino, file.size, file.mtime_ns, file.ctime_ns


def _digest(file: FileFact, site: Site) -> bytes:
    known = _DIGESTS.get(file)
    if known is not None:
        return known
    return site.made_of("digest", file, ("digest", *_version(file)), _hashed)


def _hashed(file: FileFact) -> bytes:
    """On a worker, so it is kept even when those who asked are gone."""
    for_good = is_settled(file)  # asked before the first byte is read
    digest = _read(file)
    _DIGESTS.put(file, _Digest(digest, for_good))
    return digest


def _read(file: FileFact) -> bytes:
    """128 bits of BLAKE2b over the bytes, in hex; raises FileChanged when they are not those of this version."""
    import hashlib  # with it comes OpenSSL, which most servers never need

    digest = hashlib.blake2b(digest_size=16)
    at = 0
    while piece := os.pread(file.fd, _PIECE_BYTES, at):
        digest.update(piece)
        at += len(piece)
    if at != file.size or not fact(file.fd, file.path).same_version(file):
        raise FileChanged
    return digest.hexdigest().encode()
