"""Files in a content coding that is made here, on a worker, once for each version of a file."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable
from typing import Final

from ..model import FileFact
from . import compress, tags
from .made import STORE, Body, Writer
from .root import FileChanged
from .site import Site, fact, read_slices

# A file that was written to so recently may well be growing: it would be another one before it is coded.
_RESTS_AFTER_S: Final = 2.0


def rests(file: FileFact) -> bool:
    """Whether the last write was so long ago that its writer has most likely finished."""
    return abs(time.time() - file.mtime_ns / 10**9) >= _RESTS_AFTER_S


def not_now(file: FileFact, site: Site) -> str:
    """Why this file should be sent as it is for the time being; "": it should not."""
    if site.errands.in_a_hurry and file.size > site.errands.at_once_bytes:
        return "it is not compressed now: it has changed each time before that was done"
    if file.size > compress.PIECE_BYTES and not rests(file):
        return "it is not compressed now: it was written just now, and may still grow"
    if STORE.is_full:
        return "it is not compressed now: all memory for such bodies is in use"
    return ""


def coded(file: FileFact, coding: bytes, site: Site) -> Body:
    """The file in this coding. Raises FileChanged, errands.Later, made.Full."""
    key = (file.dev, file.ino, file.size, file.mtime_ns, file.ctime_ns, coding)
    kept = STORE.get(key)
    if kept is not None:
        return kept
    return site.made_of("coding", file, key, lambda same: _kept(same, coding, key))


def _kept(file: FileFact, coding: bytes, key: Hashable) -> Body:
    """On a worker, so it is kept even when those who asked are gone."""
    made, for_good = _encoded(file, coding)
    return STORE.keep(key, made) if for_good else made


def _encoded(file: FileFact, coding: bytes) -> tuple[Body, bool]:
    """The body, and whether it is that of this version for good."""
    for_good = tags.is_settled(file)  # asked before the first byte is read
    writer = Writer(STORE)
    if file.size <= compress.PIECE_BYTES:
        (original,) = read_slices(file, [(0, file.size)])
        writer.write(compress.encode(coding, original))
        return writer.done(), for_good
    encoder = compress.encoder(coding)
    at = 0
    while at < file.size:
        piece = os.pread(file.fd, min(compress.PIECE_BYTES, file.size - at), at)
        if not piece:
            raise FileChanged
        writer.write(encoder.compress(piece))
        at += len(piece)
    writer.write(encoder.flush())
    if not fact(file.fd, file.path).same_version(file):
        raise FileChanged
    return writer.done(), for_good
