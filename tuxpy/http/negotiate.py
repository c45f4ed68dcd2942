"""Which content coding to send (RFC 9110 12.5.3). Pure.

acceptable(value) reads Accept-Encoding once; Preferences.weight(coding) says how welcome a coding is, in thousandths, 0
for not at all; choose(preferences, sizes) picks.

Rules
  1. Of the acceptable codings the one with the highest weight is sent; among equals the smallest body, and among
     bodies of one size the one that stands first in `sizes`. Identity belongs first there: it need not be undone.
  2. Identity is acceptable unless it is refused, by name or by "*;q=0" (12.5.3, second test). Where the field does not
     speak of it, it comes after everything that the field does name: who says "gzip;q=0.1" can do without, but has
     said so.
  3. No field at all: any coding is acceptable by 12.5.3, but identity is sent. Who says nothing is a program that was
     not written to decode, and a body that it cannot read is of no use; the RFC leaves the choice to us.
     An empty field wants no coding (12.5.3), so it is the same here.
  4. Nothing acceptable is None, and the answer to that 406. By its last paragraph 12.5.3 asks for identity in such a
     case "unless the identity coding is indicated as unacceptable", which it is here: nothing else leads to None.
     12.4.1 then leaves two ways, to honour the field with a 406 or to disregard it. It took an explicit word to get
     here, browsers and tools do not say it by themselves, and so it is honoured. The cost: "gzip, *;q=0" gets no
     picture.
  5. A member that does not keep to the grammar is passed over, not guessed at: a coding it may have meant is then not
     sent. White space around "=", a fourth decimal, a parameter other than q are such faults.
  6. A coding that is named twice has the lowest of its weights: never send what was refused once.
  7. A field of more than MEMBERS_MAX members, of which browsers send four, is read no further: identity, as in rule 3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ..values import value_class

MEMBERS_MAX: Final = 100
IDENTITY: Final = b"identity"
_FULL: Final = 1000
_UNSAID: Final = 0.5  # the weight of identity where the field does not speak of it: less than the least, 0.001
_ANY: Final = b"*"
# 8.4.1.3: a recipient should take the old name for the new one. The answer always has the new one.
_ALIASES: Final = {b"x-gzip": b"gzip"}

# codings [ weight ], in lower case (8.4.1 and 5.6.6: names are case-insensitive); "*" is a tchar too. The weight is
# that of 12.4.2. What repeats is followed by what it cannot match, so there is nothing to backtrack over.
_MEMBER = re.compile(rb"([!#$%&'*+.^_`|~0-9a-z-]+)(?:[ \t]*;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?")


@value_class(frozen=True, slots=True)
class Preferences:
    """What Accept-Encoding says: weights in thousandths of the codings it names; `others` is that of "*", if named."""

    named: Mapping[bytes, int]
    others: int | None = None

    def weight(self, coding: bytes) -> float:
        """How welcome a coding is, by its registered name in lower case: 0 is not acceptable, 1000 the most."""
        named = self.named.get(coding)
        if named is not None:
            return named
        if self.others is not None:
            return self.others
        return _UNSAID if coding == IDENTITY else 0

    @property
    def refuses_identity(self) -> bool:
        """The body must be coded at any price, even if that makes it longer, or the answer is 406."""
        return not self.weight(IDENTITY)


_NOTHING_SAID: Final = Preferences({})


def acceptable(value: bytes | None) -> Preferences:
    """The preferences in a value of Accept-Encoding, several lines joined by commas; None if there is no such field."""
    if not value:
        return _NOTHING_SAID
    members = value.lower().split(b",", MEMBERS_MAX)
    if len(members) > MEMBERS_MAX:
        return _NOTHING_SAID
    named: dict[bytes, int] = {}
    for member in members:
        match = _MEMBER.fullmatch(member.strip(b" \t"))
        if match is None:
            continue
        coding, q = match.groups()
        coding = _ALIASES.get(coding, coding)
        # "0.25" are the digits 025, which are 0250 thousandths.
        weight = _FULL if q is None else int(q.replace(b".", b"").ljust(4, b"0"))  # int: 4 of [0-9]
        named[coding] = min(weight, named.get(coding, _FULL))
    return Preferences(named, named.pop(_ANY, None))


def choose(preferences: Preferences, sizes: Mapping[bytes, int]) -> bytes | None:
    """The coding to send of those there are, given with the sizes of their bodies; None if none is acceptable."""
    best: bytes | None = None
    best_weight, best_size = 0.0, 0
    for coding, size in sizes.items():
        weight = preferences.weight(coding)
        if weight > best_weight or (best and weight == best_weight and size < best_size):
            best, best_weight, best_size = coding, weight, size
    return best


def ranked(preferences: Preferences, codings: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The acceptable ones of these, most welcome first, equals as they stand: which to look for, or to make, first."""
    welcome = [coding for coding in codings if preferences.weight(coding)]
    return tuple(sorted(welcome, key=preferences.weight, reverse=True))
