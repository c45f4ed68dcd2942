"""Virtual hosts: which site a request means, by the name it was sent to (RFC 9110 7.2, RFC 9112 3.2). Pure.

The name is the authority of an absolute-form target, else the value of Host; the caller picks, since target.py says
which. Rules for a name, in this order:
  1. ASCII letters are lower case, the port is dropped, one trailing dot is dropped ("example.org." is the same name).
  2. An IPv6 literal is compared in its shortest form, in brackets.
  3. The exact name wins, then the longest wildcard ("*.example.org": one label or more in front), then "_".
  4. What is not a name of DNS (empty, escapes, longer than 253 bytes) can be meant by "_" alone.

Mass hosting is how TUX did it: no table, a directory a host. Adding a host is making a directory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv6Address
from typing import Final, Generic, TypeVar

from ..errors import ConfigError

T = TypeVar("T")

DEFAULT: Final = "_"
NAME_BYTES_MAX: Final = 253  # RFC 1035 2.3.4 has 255, with the length bytes of the first label and of the root
HASH_LEVEL_MAX: Final = 3

# Letters, digits, hyphens inside; the underscore is in no standard for hosts and in many names all the same.
_LABEL = rb"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
LABELS: Final = re.compile(_LABEL + rb"(?:\." + _LABEL + rb")*")
_LITERAL = re.compile(rb"\[([0-9a-f:.]+)\]")


def name_of(host: bytes | None) -> bytes:
    """The name in a Host value or an authority as all rules compare it; b"" when it holds none."""
    host = (host or b"").lower()
    if host.startswith(b"["):
        literal = host.partition(b"]")[0] + b"]"
        inner = _LITERAL.fullmatch(literal)
        try:
            return f"[{IPv6Address(inner[1].decode())}]".encode() if inner else literal
        except ValueError:
            return literal
    name = host.partition(b":")[0]
    return name[:-1] if name.endswith(b".") else name


def is_name(name: bytes) -> bool:
    """Whether it is a name of DNS, or an IPv4 address, in lower case and without a trailing dot."""
    return len(name) <= NAME_BYTES_MAX and LABELS.fullmatch(name) is not None


class HostTable(Generic[T]):
    """What each host is served, found by name. Raises ConfigError for a name that no request could have."""

    def __init__(self, hosts: Iterable[tuple[str, T]]) -> None:
        self._served: dict[bytes, T] = {}
        for name, served in hosts:
            key = _key(name)
            if key in self._served:
                raise ConfigError(f"the host {key.decode()} is given twice: leave one out")
            self._served[key] = served

    def find(self, host: bytes | None) -> T | None:
        """What is served at `host`; None when it means no site (RFC 9110 15.5.20 has 421 for that)."""
        key = self._match(host)
        return None if key is None else self._served[key]

    def rule(self, host: bytes | None) -> str | None:
        """The name in the table that decides about `host`, for `tuxpy explain`."""
        key = self._match(host)
        return None if key is None else key.decode()

    def _match(self, host: bytes | None) -> bytes | None:
        name = name_of(host)
        if name.startswith(b"["):
            if name in self._served:
                return name
        elif is_name(name):
            if name in self._served:
                return name
            # Going from the left leaves the longest rest first, so the first wildcard found is the longest.
            rest = name
            while b"." in rest:
                rest = rest.partition(b".")[2]
                if b"*." + rest in self._served:
                    return b"*." + rest
        return b"_" if b"_" in self._served else None


def _key(name: str) -> bytes:
    """A name of the table in the form in which requests are compared with it."""
    if name == DEFAULT:
        return b"_"
    if name == "*":
        raise ConfigError(f"'*' is not a host: give {DEFAULT} for all that have no name of their own")
    if not name.isascii():
        raise ConfigError(f"the host {name!r} is not ASCII: give it as clients send it, which begins with xn--")
    raw = name.encode()
    star, bare = (raw[:2], raw[2:]) if raw.startswith(b"*.") else (b"", raw)
    key = name_of(bare)
    if bare.startswith(b"[") or bare.count(b":") > 1:
        if not star and bare.endswith(b"]") and _LITERAL.fullmatch(key) and _is_ipv6(key[1:-1]):
            return key
        raise ConfigError(f"{name!r} is not an IPv6 host: give the address in brackets and without a port, as in [::1]")
    if b":" in bare:
        raise ConfigError(f"{name!r} is more than a host: give the name alone, a port belongs to the listener")
    if not is_name(key):
        raise ConfigError(f"{name!r} is not a host: give example.org, *.example.org, or {DEFAULT} for all others")
    return star + key


def _is_ipv6(text: bytes) -> bool:
    try:
        IPv6Address(text.decode())
    except ValueError:
        return False
    return True


def directory_of(host: bytes | None, strip_www: bool = True, hash_level: int = 0) -> bytes | None:
    """The directory beneath the root that belongs to a host, for mass hosting; None when it can have none.

    At hash level 2 some.site.com is s/so/some.site.com, so that no directory holds all hosts. What comes out is made
    of the letters of a name of DNS, so no part of it begins with a dot or could lead anywhere else. "www." is taken
    off only in front of a name with a dot: www.org is a name of its own.
    """
    if not 0 <= hash_level <= HASH_LEVEL_MAX:
        raise ConfigError(f"hosts cannot be spread over {hash_level} levels: give 0 to {HASH_LEVEL_MAX}")
    name = name_of(host)
    if not is_name(name):
        return None
    if strip_www and name.startswith(b"www.") and b"." in name[4:]:
        name = name[4:]
    return b"/".join([*(name[:length] for length in range(1, hash_level + 1)), name])
