"""Fields that answers have when no rule says otherwise, and those that are worth asking for. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from ..model import NOSNIFF, Field
from .fields import FieldRule
from .patterns import Pattern


class Advice(NamedTuple):
    """A field that is worth sending, and why."""

    field: Field
    reason: str


SECURITY: Final[tuple[Advice, ...]] = (
    Advice(NOSNIFF, "a file is what its type says, so no upload becomes a script"),
    Advice((b"Referrer-Policy", b"strict-origin-when-cross-origin"), "other sites learn the host, not the page"),
    # frame-ancestors says the same and more, in a Content-Security-Policy, which only the pages' author can write.
    Advice((b"X-Frame-Options", b"SAMEORIGIN"), "no other site frames these pages to steal clicks"),
    Advice(
        (b"Permissions-Policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
        "pages that need none of these cannot be made to ask for them",
    ),
    Advice(
        (b"Cross-Origin-Opener-Policy", b"same-origin-allow-popups"),
        "a window that opened this one has no hold on it, while those that it opens to sign in or pay still answer",
    ),
    # No Strict-Transport-Security: only who speaks TLS may promise it.
)

EVERYTHING: Final = Pattern.parse("*")
SECURITY_RULE: Final = FieldRule(EVERYTHING, set=tuple(given.field for given in SECURITY), where="the security preset")

REVALIDATE: Final = b"no-cache"
# Not "public", which would let shared caches hand on what was sent to somebody with a password (RFC 9111 3.5).
IMMUTABLE: Final = b"max-age=31536000, immutable"
# What these tools put here has a hash or the build's number in its name or directory, whatever the name looks like.
IMMUTABLE_DIRECTORIES: Final = (b"/_next/static/", b"/_app/immutable/", b"/_astro/")


_FOUND = frozenset((200, 206, 304))
# Asking costs one round trip and no bytes, while a guess of how long a file will stay is wrong some day.
DEFAULT_RULES: Final[tuple[FieldRule, ...]] = (
    FieldRule(EVERYTHING, set=(NOSNIFF,), where="the defaults"),
    FieldRule(EVERYTHING, set=((b"Cache-Control", REVALIDATE),), statuses=_FOUND, where="the defaults"),
)
# For files whose names say that they never change (site/lasting.py).
LASTING_RULES: Final[tuple[FieldRule, ...]] = (
    *DEFAULT_RULES,
    FieldRule(EVERYTHING, set=((b"Cache-Control", IMMUTABLE),), statuses=_FOUND, where="the defaults for hashed names"),
)
