"""Entity tags of files, as the policy has them made (RFC 9110 8.8.3), and the dates that go with them.

  file      modification time in nanoseconds, size and inode: another file of the same name has another tag
  time      the same without the inode: machines to which files were copied with their times agree
  content   a digest of all bytes: machines with the same bytes agree, whatever their clocks say. The file is read once
            for each of its versions. Its time says nothing then, so there is no Last-Modified
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from typing import Final

from ..http import conditional
from ..model import FileFact
from .site import FileChanged, Site, fact

# Tools for reproducible builds set the time of every file to the epoch, or to the first day that ZIP can express:
# such a time says nothing, and a client that was told of it would never fetch the next version (RFC 9110 8.8.2.1).
NO_TIME_BEFORE_S: Final = 315_619_200  # 1980-01-02

_KEPT_MAX: Final = 65536
_PIECE_BYTES: Final = 1 << 20
_AT_ONCE_BYTES: Final = 4096  # so much is hashed while it is judged

_Version = tuple[int, int, int, int, int]


def etag(file: FileFact, site: Site) -> bytes:
    """The strong tag of this very version, quotes included. Raises FileChanged, errands.Later."""
    kind = site.policy.tag
    if kind == "content":
        return b'"%s"' % _digest(file, site)
    if kind == "time":
        return b'"%x-%x"' % (file.mtime_ns, file.size)
    return conditional.etag(file)


def modified_s(file: FileFact, site: Site) -> int | None:
    """The modification date, in unix time; None when there is none that means anything."""
    seconds = file.mtime_ns // 10**9
    return None if site.policy.tag == "content" or seconds < NO_TIME_BEFORE_S else seconds


class Digests:
    """What was hashed last, by version."""

    def __init__(self) -> None:
        self._known: OrderedDict[_Version, bytes] = OrderedDict()

    def get(self, file: FileFact) -> bytes | None:
        found = self._known.get(_version(file))
        if found is not None:
            self._known.move_to_end(_version(file))
        return found

    def put(self, file: FileFact, digest: bytes) -> None:
        self._known[_version(file)] = digest
        if len(self._known) > _KEPT_MAX:
            self._known.popitem(last=False)


_DIGESTS: Final = Digests()  # one for the process: the key is the version, whatever site it is of


def _version(file: FileFact) -> _Version:
    return file.dev, file.ino, file.size, file.mtime_ns, file.ctime_ns


def _digest(file: FileFact, site: Site) -> bytes:
    found = _DIGESTS.get(file)
    if found is None:
        if file.size <= _AT_ONCE_BYTES:
            found = _read(file)
        else:
            found = site.errands.fetch(("digest", *_version(file)), lambda: _read_again(file, site))
        _DIGESTS.put(file, found)
    return found


def _read_again(file: FileFact, site: Site) -> bytes:
    """On a worker: the judgement that wants it has closed its descriptor by now."""
    return site.with_file(file, _read)


def _read(file: FileFact) -> bytes:
    """128 bits of BLAKE2b over the bytes, in hex; raises FileChanged when they are not those of this version."""
    digest = hashlib.blake2b(digest_size=16)
    at = 0
    while piece := os.pread(file.fd, _PIECE_BYTES, at):
        digest.update(piece)
        at += len(piece)
    if at != file.size or fact(file.fd, file.path) != file:
        raise FileChanged
    return digest.hexdigest().encode()
