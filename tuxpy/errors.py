"""What can go wrong, and whose fault it is.

Two families in the manner of h11: the peer's fault carries the status we answer with; everything else is ours and
carries what its mender needs. One place converts between them: the judge, when it makes a refusal of a failed request.
"""

from __future__ import annotations

import os


class TuxError(Exception):
    """The root: a program that embeds tuxpy catches this one."""


class PeerError(TuxError):
    """The peer broke the protocol; `status_hint` is the HTTP status that tells it so (RFC 9110 section 15)."""

    def __init__(self, message: str, status_hint: int = 400) -> None:
        super().__init__(message)
        self.status_hint = status_hint


class ConfigError(TuxError):
    """The operator asked for something we cannot do; the message says what to change."""


class EngineError(TuxError):
    """The engine answered -errno; `errno` is kept positive, as in OSError; 0: none."""

    def __init__(self, message: str, errno: int = 0) -> None:
        super().__init__(f"{message}: {os.strerror(errno)} (errno {errno})" if errno else message)
        self.errno = errno


def one_line(said: str) -> str:
    """Control characters as escapes."""
    if said.isprintable():
        return said
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in said)
