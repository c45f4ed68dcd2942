"""The request target, read once and by rule (RFC 9112 3.2, RFC 3986).

Order of the rules; everything later looks only at what comes out:
  1. origin-form, or absolute-form with http or https whose authority then stands for Host;
     anything else is 400. Userinfo and an empty host in an authority are 400.
  2. A raw "#" or, in the path, a raw backslash is 400: no sound client sends them, and browsers
     read a backslash as a slash.
  3. The query is what follows the first raw "?"; it is never decoded.
  4. The path is percent-decoded exactly once. An incomplete escape or a NUL is 400.
     %2F counts as a slash, as no file name can contain one; %5C is an ordinary byte of a name;
     bytes that are no UTF-8 are ordinary bytes (%C0%AF is two of them, never a slash).
  5. Empty and "." segments are dropped, ".." takes away the segment before it; above the root
     it is 400. So no path that leaves here starts with two slashes.
  6. The path asks for a directory when it ends in a slash, or in a "." or ".." segment.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import quote_from_bytes, unquote_to_bytes

from ..model import Refuse, refuse
from ..values import value_class

# uri-host [ ":" port ] of RFC 3986 3.2.2; the host may be empty (RFC 9110 7.2).
_AUTHORITY = re.compile(
    rb"(?:\[[0-9A-Za-z:._~!$&'()*+,;=-]+\]"
    rb"|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]{0,5})?"
)
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?]*)(.*)")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# What a query may not hold as it is (RFC 3986 3.4), though browsers and h11 let it through.
_NOT_IN_QUERY = re.compile(_BAD_ESCAPE.pattern + rb"|[^A-Za-z0-9._~!$&'()*+,;=:@/?%-]")
@value_class(frozen=True, slots=True)
class Target:
    """`segments` joined with slashes is the path beneath the root, decoded and without dots.

    written: the path as it was sent; empty when it had segments of dots, or is of no request.
    """

    authority: bytes | None
    segments: tuple[bytes, ...]
    directory: bool
    query: bytes | None
    written: bytes = b""

    @property
    def path(self) -> bytes:
        """Beneath the root: no slash in front, none behind."""
        return b"/".join(self.segments)

    @property
    def asked(self) -> bytes:
        """As rules compare it: a slash in front, and behind when it asks for a directory."""
        path = b"/" + b"/".join(self.segments)
        return path + b"/" if self.directory and self.segments else path

    def as_directory(self) -> Target:
        """The same place with a slash behind."""
        return replace(self, directory=True)


def target_of(path: bytes) -> Target:
    """A decoded path without dot segments, as a rule has made it."""
    segments = tuple(segment for segment in path.split(b"/") if segment)
    return Target(None, segments, path.endswith(b"/"), None)


def valid_authority(value: bytes) -> bool:
    """Whether a Host value or the authority of a target has the form of RFC 3986 3.2."""
    return _AUTHORITY.fullmatch(value) is not None


def read_target(raw: bytes) -> Target | Refuse:
    """The target of a request line, or a 400 that says what is wrong with it."""
    authority = None
    if raw[:1] != b"/":
        match = _ABSOLUTE.fullmatch(raw)
        if match is None:
            return refuse(400, "the target is neither a path nor an http URL")
        authority, raw = match[1], match[2]
        if authority[:1] in (b"", b":") or not valid_authority(authority):
            return refuse(400, "the URL in the target has no sound authority")
    path, mark, query = raw.partition(b"?")
    if b"#" in raw or b"\\" in path:
        return refuse(400, "the target holds a fragment or a backslash")
    written = path
    if b"%" in path:
        if _BAD_ESCAPE.search(path):
            return refuse(400, "the target holds a percent sign without two hex digits")
        path = unquote_to_bytes(path)
    if b"\0" in path:
        return refuse(400, "the target holds a NUL, encoded or not")
    parts = path.split(b"/")
    segments = _without_dots(parts)
    if segments is None:
        return refuse(400, "the target climbs above the root")
    directory = parts[-1] in (b"", b".", b"..")
    if b"." in parts or b".." in parts:
        written = b""
    return Target(authority, segments, directory, query if mark else None, written)


def location_of(target: Target) -> bytes:
    """The path and the query of a target as a sound reference, never to another host.

    It starts with exactly one slash, and no backslash is in it: in the path every byte outside the
    unreserved set is written as an escape, in the query every byte that RFC 3986 does not allow there.
    """
    path = quote_from_bytes(target.asked, safe="/~").encode()
    if target.query is None:
        return path
    return path + b"?" + _NOT_IN_QUERY.sub(lambda found: b"%%%02X" % ord(found[0]), target.query)


def _without_dots(parts: list[bytes]) -> tuple[bytes, ...] | None:
    kept: list[bytes] = []
    for part in parts:
        if part == b"..":
            if not kept:
                return None
            kept.pop()
        elif part not in (b"", b"."):
            kept.append(part)
    return tuple(kept)
