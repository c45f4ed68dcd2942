"""Gates: for which paths a client must come from somewhere, or show a password. Pure.

A path has to pass every gate that is for it, so the order of gates does not matter and no later rule opens what an
earlier one has closed. That holds for the path that was asked for, and for the path of the file that answers it.

Patterns take a path with and without its trailing slash: /admin/* is for /admin, too. One that is for a file is for
what the file is called when it is compressed: *.pdf is for a.pdf.gz, too.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ConfigError
from ..model import Field
from ..values import value_class
from .access import AddressRules
from .basic import challenge
from .hidden import without_coding
from .patterns import Pattern


@value_class(frozen=True, slots=True)
class Login:
    """A password that is asked for (RFC 7617).

    path    of the password file, in Apache's form
    users   those of its users who may pass; none: all
    realm   what browsers show when they ask
    """

    path: str
    users: frozenset[str] = frozenset()
    realm: str = "Restricted"
    challenge: Field = (b"", b"")

    def __post_init__(self) -> None:
        object.__setattr__(self, "challenge", challenge(self.realm))


@value_class(frozen=True, slots=True)
class Gate:
    """One rule about who may see the paths of `pattern` that are in none of `excepted`.

    either   a good address or a good password is enough; else what is given must all hold
    where    the place it was written at, for `tuxpy explain`
    """

    pattern: Pattern
    addresses: AddressRules | None = None
    login: Login | None = None
    either: bool = False
    excepted: tuple[Pattern, ...] = ()
    where: str = ""

    def __post_init__(self) -> None:
        if self.addresses is None and self.login is None:
            raise ConfigError("a rule for access has no conditions: give addresses or a password file")
        if self.either and (self.addresses is None or self.login is None):
            raise ConfigError("satisfy needs addresses and a password file in its rule: give both, or remove it")

    @classmethod
    def parse(
        cls,
        pattern: str,
        *,
        allow: Iterable[str] = (),
        deny: Iterable[str] = (),
        login: Login | None = None,
        either: bool = False,
        excepted: Iterable[str] = (),
        where: str = "",
    ) -> Gate:
        """A rule from the words of a configuration."""
        allowed, denied = tuple(allow), tuple(deny)
        addresses = AddressRules.parse(allowed, denied) if allowed or denied else None
        patterns = tuple(Pattern.parse(one, either_slash=one.startswith("/")) for one in excepted)
        return cls(
            Pattern.parse(pattern, either_slash=pattern.startswith("/")), addresses, login, either, patterns, where
        )

    def is_for(self, path: bytes) -> bool:
        """Whether this gate stands before `path` (decoded, a slash in front)."""
        for plain in (path, *without_coding(path)):
            if any(one.match(plain) is not None for one in self.excepted):
                return False
            # A pattern for the last segment alone would find none behind a trailing slash.
            if self.pattern.match(plain.rstrip(b"/") if self.pattern.anywhere else plain) is not None:
                return True
        return False
