"""Where a redirect or rewrite leads, as a rule writes it: read and checked. Pure."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from ..errors import ConfigError
from ..http.target import valid_authority
from ..values import value_class
from .patterns import PLACEHOLDER, literal

PLACE_BYTES_MAX: Final = 2048

_PLACE = re.compile(r"(?:([a-z]+)://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.IGNORECASE)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# RFC 3986 3.3 and 3.4, with the percent sign of what is written as an escape already.
_URL_SIGNS: Final = "/?~!$&'()*+,;=:@%"

Template = tuple[bytes | str, ...]  # pieces as they are, and names of placeholders


@value_class(frozen=True, slots=True)
class Place:
    """`origin` is empty on this host. The path is encoded for a Location, decoded for a rewrite."""

    origin: bytes
    path: Template
    query: Template | None
    fragment: Template | None

    def here(self) -> bytes | None:
        """The path on this host that a place without placeholders means."""
        if self.origin or self.query is not None or any(isinstance(piece, str) for piece in self.path):
            return None
        return unquote_to_bytes(b"".join(piece for piece in self.path if isinstance(piece, bytes)))


def read_place(to: str, rewrite: bool) -> Place:
    """The target of a rule, checked."""
    if not to.isprintable() or re.search(r"[\s\\\"<>^`{|}]", to) or _BAD_ESCAPE.search(to):
        raise ConfigError(f"{to!r} is not an address: write blanks, backslashes and the like as escapes, as in %20")
    if len(to.encode()) > PLACE_BYTES_MAX:
        raise ConfigError(f"an address of {len(to.encode())} bytes is too long: give at most {PLACE_BYTES_MAX}")
    found = _PLACE.fullmatch(to)
    if found is None or to.startswith("//") or (found[1] is None and not to.startswith("/")):
        raise ConfigError(f"{to!r} is not an address: begin it with a single slash, or with https:// and a host")
    scheme, authority, path, query, fragment = found.groups()
    if scheme is not None:
        if rewrite:
            raise ConfigError(f"{to!r} is on another host, whose files are not served here: redirect with 301 or 302")
        if scheme.lower() not in ("http", "https"):
            raise ConfigError(f"{to!r} is not an address of the web: begin it with https://")
        if PLACEHOLDER.search(authority):
            raise ConfigError(f"{to!r} lets the request choose the host: write the host out")
        if not authority or authority.startswith(":") or not valid_authority(authority.encode("ascii", "replace")):
            raise ConfigError(f"{to!r} has no sound host: write it in ASCII, which may begin with xn--")
    if rewrite and (query is not None or fragment is not None):
        raise ConfigError(f"{to!r} is to name a file: leave out what stands behind the question mark or number sign")
    if any(unquote_to_bytes(segment) in (b".", b"..") for segment in path.split("/")):
        raise ConfigError(f"{to!r} has a segment of dots: write the path without it")
    origin = b"" if scheme is None else f"{scheme.lower()}://{authority}".encode()
    return Place(
        origin,
        _template(path, decoded=rewrite),
        None if query is None else _template(query),
        None if fragment is None else _template(fragment),
    )


def _template(text: str, decoded: bool = False) -> Template:
    pieces = PLACEHOLDER.split(text)  # as it is, name, as it is, ...
    plain = [literal(piece) if decoded else quote_from_bytes(piece.encode(), _URL_SIGNS).encode() for piece in pieces]
    return tuple(piece if at % 2 else plain[at] for at, piece in enumerate(pieces) if piece)
