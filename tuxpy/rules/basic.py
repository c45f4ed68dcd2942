"""Basic authentication as it is on the wire (RFC 7617): the challenge of a 401, and what a client answers to it.

Strictly: what is not exactly such a value is no credentials.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from dataclasses import field

from ..errors import ConfigError
from ..model import Field
from ..values import value_class

_BASIC = re.compile(rb"(?i:basic) +([A-Za-z0-9+/]+=*)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@value_class(frozen=True, slots=True)
class Credentials:
    user: str
    password: str = field(repr=False)  # so that no log shows it


def parse_authorization(value: bytes) -> Credentials | None:
    """What the value of Authorization says by RFC 7617 2; None when it is anything else.

    Our challenge asks for UTF-8 in Normalization Form C (RFC 7617 2.1). Not all clients normalize, so we do.
    """
    match = _BASIC.fullmatch(value)
    raw = decoded(match[1]) if match else None
    if raw is None:
        return None
    try:
        pair = unicodedata.normalize("NFC", raw.decode())
    except UnicodeDecodeError:
        return None
    user, colon, password = pair.partition(":")  # the first one: a password may hold more, a user none
    return Credentials(user, password) if colon and not _CONTROL.search(pair) else None


def decoded(word: bytes) -> bytes | None:
    """Base64 in its only sound form: whole groups, and no bits behind the last byte (RFC 4648 3.5)."""
    try:
        raw = base64.b64decode(word, validate=True)
    except ValueError:
        return None
    return raw if base64.b64encode(raw) == word else None


def challenge(realm: str) -> Field:
    """WWW-Authenticate of a 401. Raises ConfigError for a realm that no standard says how to send."""
    if not (realm.isascii() and realm.isprintable()):
        raise ConfigError(f"the realm {realm!r} cannot be sent: give it in printable ASCII")
    quoted = realm.replace("\\", "\\\\").replace('"', '\\"')
    return b"WWW-Authenticate", f'Basic realm="{quoted}", charset="UTF-8"'.encode()
