"""Networks that the operator has named: proxies whose word counts, and addresses that no limit counts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .access import AddressRules

TRUSTED, EXEMPT = 1, 2  # csrc/api.h: enum tux_network
UNIX: Final = "unix"
_NO_ADDRESS: Final = "::/128"  # as the engine has a local socket; nobody else can come from there


def networks(trusted: Sequence[str], exempt: Sequence[str]) -> list[tuple[int, int]]:
    """(first address, bits) of intervals, each up to the next one's first; empty when nothing is named.

    Words are addresses, networks or "all"; among the trusted also "unix". Raises ConfigError.
    """
    if not trusted and not exempt:
        return []
    from .access import classes_of

    table = classes_of([_named([_NO_ADDRESS if word == UNIX else word for word in trusted]), _named(exempt)])
    bits = [trusts * TRUSTED | exempts * EXEMPT for trusts, exempts in table.outcomes]
    return [(start, bits[number]) for start, number in zip(table.starts, table.numbers, strict=True)]


def _named(words: Sequence[str]) -> AddressRules:
    """Yes for these alone."""
    from .access import AddressRules

    return AddressRules.parse(allow=words) if words else AddressRules.parse(deny=("all",))
