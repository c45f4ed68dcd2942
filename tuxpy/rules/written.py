"""A path in the client's own words, which a redirect keeps (RFC 3986 2.2, 6.2.2). Pure."""

from __future__ import annotations

import re

# What a path may not hold as it is (RFC 3986 3.3): a client should have written it as an escape.
_NOT_IN_PATH = re.compile(rb"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~!$&'()*+,;=:@/%-]")


class Written:
    """A path in the client's own words. `path` is decoded, but an escaped slash is a NUL, which no path can have; empty
    segments are still there."""

    __slots__ = ("_starts", "_words", "path")

    def __init__(self, words: bytes) -> None:
        """words: a sound path without dot segments, as it was sent."""
        decoded = bytearray()
        starts = []
        at = 0
        while at < len(words):
            starts.append(at)
            if words[at] == 0x25:
                byte = int(words[at + 1 : at + 3], 16)
                decoded.append(0 if byte == 0x2F else byte)
                at += 3
            else:
                decoded.append(words[at])
                at += 1
        self._words, self._starts = words, [*starts, at]
        self.path = bytes(decoded)

    def words(self, start: int, end: int) -> bytes:
        """What the client wrote for this part of `path`; what may not stand in a URL is escaped."""
        said = self._words[self._starts[start] : self._starts[end]]
        return _NOT_IN_PATH.sub(lambda found: b"%%%02X" % ord(found[0]), said)
