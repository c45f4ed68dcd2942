"""Cross-origin sharing by the CORS protocol of the Fetch standard, seen from the server. Pure.

That standard lives and its numbers move, so its sections are called by their titles.

Rules
  1. Origins are compared byte by byte (CORS check). An origin is sent back only when it is listed, or matches a listed
     wildcard such as https://*.example.org (one label or more; never the bare domain).
  2. "*" is for answers that are the same for everybody: it cannot be listed beside other origins, and nothing that is
     "*" goes with credentials, where a browser reads it as a mere name (CORS protocol and credentials).
  3. "null" is what every sandboxed frame and local file sends, so it may be listed, but never with credentials.
  4. Vary names Origin whenever the answer could be another one for another origin: for a list always, allowed or not,
     sent or not; for "*" never. A preflight's answer always has it, since Origin makes OPTIONS a preflight.
  5. The lists in a preflight's answer do not depend on what was asked: the browser compares, can say which name it
     missed, and keeps the whole answer for its next question. What was asked is for `why`.

The fields of `simple` belong to every answer, also to 304, 404 and 416: without them a script cannot even see the
status.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from ..errors import ConfigError
from ..model import Field, text
from ..values import value_class
from .hosts import LABELS, is_name

MAX_AGE_S: Final = 7200  # the most that Chromium keeps; Firefox keeps 86400
_MAX_AGE_S_MAX: Final = 86400

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\*\.)?(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_SAFE_METHODS: Final = (b"GET", b"HEAD", b"POST")  # CORS-safelisted methods need no leave

_VARY: Field = (b"Vary", b"Origin")
_VARY_PREFLIGHT: Field = (b"Vary", b"Origin, Access-Control-Request-Method")
_CREDENTIALS: Field = (b"Access-Control-Allow-Credentials", b"true")


class Preflight(NamedTuple):
    """The answer to a preflight: its fields (the status is 204, granted or not), and why they are so."""

    fields: tuple[Field, ...]
    why: str


@value_class(frozen=True, slots=True)
class CorsRule:
    """Who may read what from another origin. Made by `parse`, which checks it.

    request_headers and expose are in lower case; a wildcard is (what stands before the star, what stands behind it).
    """

    origins: frozenset[bytes]
    wildcards: tuple[tuple[bytes, bytes], ...] = ()
    methods: tuple[bytes, ...] = (b"GET", b"HEAD")
    request_headers: tuple[bytes, ...] = ()
    expose: tuple[bytes, ...] = ()
    credentials: bool = False
    max_age_s: int = MAX_AGE_S

    @classmethod
    def parse(
        cls,
        origins: Iterable[str],
        *,
        methods: Iterable[str] = ("GET", "HEAD"),
        request_headers: Iterable[str] = (),
        expose: Iterable[str] = (),
        credentials: bool = False,
        max_age_s: int = MAX_AGE_S,
    ) -> CorsRule:
        """A rule from the words of a configuration; raises ConfigError, naming the remedy."""
        listed = [origin if origin in ("*", "null") else _origin(origin) for origin in origins]
        if not listed:
            raise ConfigError("a CORS rule needs an origin: give one, as in https://example.org, or *")
        if "*" in listed and len(set(listed)) > 1:
            raise ConfigError("the origin * is all of them: leave out the others, or leave out *")
        if not 0 <= max_age_s <= _MAX_AGE_S_MAX:
            raise ConfigError(f"a preflight cannot be kept for {max_age_s} s: give 0 to {_MAX_AGE_S_MAX}")
        names = tuple(name.lower() for name in _tokens(request_headers, "request header"))
        shown = tuple(name.lower() for name in _tokens(expose, "header"))
        allowed = _tokens(methods, "method")
        if credentials:
            if "null" in listed:
                raise ConfigError("the origin null cannot have credentials: every sandboxed page could be it")
            if b"*" in (*names, *shown, *allowed) or "*" in listed:
                raise ConfigError("* and credentials exclude each other: list the names, or turn credentials off")
        return cls(
            origins=frozenset(origin.encode() for origin in listed if "//*." not in origin),
            wildcards=tuple(_halves(origin) for origin in listed if "//*." in origin),
            methods=allowed,
            request_headers=names,
            expose=shown,
            credentials=credentials,
            max_age_s=max_age_s,
        )

    @property
    def everybody(self) -> bool:
        return b"*" in self.origins

    def allows(self, origin: bytes | None) -> bool:
        """Whether pages of this origin may read answers; a value that is not an origin is in no list."""
        if self.everybody:
            return True
        if origin is None:
            return False
        return origin in self.origins or any(
            origin.startswith(before)
            and origin.endswith(behind)
            and LABELS.fullmatch(origin, len(before), len(origin) - len(behind)) is not None
            for before, behind in self.wildcards
        )


def simple(rule: CorsRule, origin: bytes | None) -> tuple[Field, ...]:
    """The fields for any answer that is not a preflight's; `origin` is the value of Origin, if it was sent."""
    fields: tuple[Field, ...] = () if rule.everybody else (_VARY,)
    if not rule.allows(origin):
        return fields
    fields += _grant(rule, origin)
    if rule.expose:
        fields += ((b"Access-Control-Expose-Headers", b", ".join(rule.expose)),)
    return fields


def preflight(rule: CorsRule, origin: bytes | None, method: bytes | None, headers: bytes | None) -> Preflight | None:
    """The answer to OPTIONS, or None when it is no preflight (HTTP requests) and means something else.

    `method` and `headers` are the values of Access-Control-Request-Method and -Headers. Without the grant the browser
    does not send the request that it asked for.
    """
    if origin is None or method is None or not _TOKEN.fullmatch(method):
        return None
    fields: tuple[Field, ...] = (_VARY_PREFLIGHT,)
    if not rule.allows(origin):
        return Preflight(fields, f"the origin {text(origin)} is not listed, so nothing is granted")
    fields += _grant(rule, origin)
    fields += ((b"Access-Control-Allow-Methods", b", ".join(rule.methods)),)
    if rule.request_headers:
        fields += ((b"Access-Control-Allow-Headers", b", ".join(rule.request_headers)),)
    fields += ((b"Access-Control-Max-Age", b"%d" % rule.max_age_s),)
    missed = _missed(rule, method, headers)
    if missed:
        return Preflight(fields, f"the origin {text(origin)} is listed, but {missed}: the browser will not go on")
    return Preflight(fields, f"the origin {text(origin)} may do what it asks for")


def _grant(rule: CorsRule, origin: bytes | None) -> tuple[Field, ...]:
    """`origin` is allowed, and None only where everybody is."""
    value = b"*" if rule.everybody or origin is None else origin
    return ((b"Access-Control-Allow-Origin", value), *((_CREDENTIALS,) if rule.credentials else ()))


def _missed(rule: CorsRule, method: bytes, headers: bytes | None) -> str | None:
    """What the browser will miss in the lists (CORS-preflight fetch, the steps behind the CORS check)."""
    if method not in (*rule.methods, *_SAFE_METHODS) and b"*" not in rule.methods:
        return f"the method {text(method)} is not"
    for part in (headers or b"").lower().split(b","):
        name = part.strip(b" \t")
        # CORS non-wildcard request-header name: Authorization must be listed by name.
        covered = name in rule.request_headers or (b"*" in rule.request_headers and name != b"authorization")
        if name and not covered:
            return f"the request header {text(name)} is not"
    return None


# Configuration.


def _origin(given: str) -> str:
    """An origin as browsers write it (HTML 7.1.1): lower case, no default port, no path."""
    if not given.isascii():
        raise ConfigError(f"the origin {given!r} is not ASCII: give its host as browsers send it, beginning with xn--")
    match = _ORIGIN.fullmatch(given.lower())
    if match is None:
        raise ConfigError(
            f"{given!r} is not an origin: give a scheme, a host and perhaps a port, as in https://example.org"
        )
    scheme, star, host, port = match[1], match[2] or "", match[3], match[4]
    if host.startswith("["):
        try:
            host = f"[{IPv6Address(host[1:-1])}]"
        except ValueError:
            raise ConfigError(f"the host of the origin {given!r} is not an IPv6 address: correct it") from None
    elif not is_name(host.encode()):
        raise ConfigError(f"the host of the origin {given!r} is not a name: correct it")
    if star and host.startswith("["):
        raise ConfigError(f"the origin {given!r} has a star in front of an address: only names have parts in front")
    port = "" if port is None or port == _DEFAULT_PORTS.get(scheme) else f":{port}"
    return f"{scheme}://{star}{host}{port}"


def _halves(origin: str) -> tuple[bytes, bytes]:
    before, _, behind = origin.encode().partition(b"*")
    return before, behind


def _tokens(words: Iterable[str], what: str) -> tuple[bytes, ...]:
    """Names for a field's list, each once; methods keep their case, in which they differ."""
    names = tuple(dict.fromkeys(word.encode("ascii", "replace") for word in words))
    for name in names:
        if not _TOKEN.fullmatch(name):
            raise ConfigError(f"{text(name)!r} is not a {what} name: give letters, digits and hyphens")
    return names
