"""Users and groups by name or number, and what such a user may do: asked of the kernel, by a child that becomes it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

from ..errors import ConfigError
from ..values import value_class


@value_class(frozen=True, slots=True)
class Identity:
    """Who to become."""

    user: int
    group: int
    name: str = ""  # of the user, for the supplementary groups; "": none

    @property
    def owner(self) -> tuple[int, int]:
        """Of what is theirs to write."""
        return self.user, self.group

    def take(self) -> None:
        """Become this user's groups; the user itself is the caller's last step. Raises OSError."""
        if self.name:
            os.initgroups(self.name, self.group)
        else:
            os.setgroups([])
        os.setresgid(self.group, self.group, self.group)


def find_user(word: str) -> tuple[str, int, int]:
    """Name, number and group of a user. Raises ConfigError."""
    import pwd

    try:
        found = pwd.getpwuid(int(word)) if word.isdecimal() else pwd.getpwnam(word)
    except (KeyError, OverflowError):
        if word.isdecimal() and int(word) < 1 << 31:
            return "", int(word), int(word)
        raise ConfigError(f"there is no user {word!r}: make it, or give another one as server.user") from None
    return found.pw_name, found.pw_uid, found.pw_gid


def find_group(word: str, key: str = "server.group") -> int:
    """The number of a group. Raises ConfigError."""
    import grp

    try:
        if word.isdecimal() and int(word) < 1 << 31:
            return int(word)
        return grp.getgrnam(word).gr_gid
    except KeyError:
        raise ConfigError(f"there is no group {word!r}: make it, or give another one as {key}") from None


def denied_to(identity: Identity, asked: Sequence[tuple[str, int]]) -> list[bool]:
    """Of each (path, os.X_OK or the like) whether this user has no such right. Only root can tell.

    A child gives its rights up and asks access(2), so modes, lists of control (acl(5)), groups and what lies above
    count as they will. When there can be none, nothing is known to be denied.
    """
    read_end, write_end = os.pipe()
    try:
        with warnings.catch_warnings():  # the child calls the kernel and nothing else, so other threads do no harm
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
    except OSError:
        os.close(read_end)
        os.close(write_end)
        return [False] * len(asked)
    if child == 0:
        _answer(identity, asked, write_end)
    os.close(write_end)
    with open(read_end, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return [byte == ord("n") for byte in said.ljust(len(asked), b"y")]


def _answer(identity: Identity, asked: Sequence[tuple[str, int]], pipe: int) -> None:
    """In the child: a letter for each question. It never returns."""
    try:
        identity.take()
        os.setresuid(identity.user, identity.user, identity.user)
        os.write(pipe, b"".join(b"y" if os.access(path, how) else b"n" for path, how in asked))
    finally:
        os._exit(0)
