"""Which of two media types a request would rather have (RFC 9110 12.5.1). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = _TOKEN + rb'|"(?:[^"\\]|\\.)*"'
# One member of Accept (RFC 9110 12.5.1), which may be empty. Each blank has one place to be in, so that no value takes
# long to refuse.
_RANGE = re.compile(
    rb"[ \t]*(?:(%(token)s)/(%(token)s)[ \t]*((?:;[ \t]*(?:%(token)s=(?:%(value)s)[ \t]*)?)*))?(?:,|\Z)"
    % {b"token": _TOKEN, b"value": _VALUE}
)
_PARAMETER = re.compile(rb"(%s)=(%s)" % (_TOKEN, _VALUE))
_WEIGHT = re.compile(rb"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_Range = tuple[bytes, bytes, float]  # type, subtype, weight


def prefers(accept: bytes | None, one: tuple[bytes, bytes], other: tuple[bytes, bytes]) -> bool:
    """Whether the value of Accept rates `one` (type and subtype, in lower case) above `other`.

    Of two equal weights the more exactly named type wins: "application/json, */*" is how scripts ask for JSON.
    """
    ranges = list(_ranges(accept or b""))
    rated = _rating(ranges, *one)
    return rated[0] > 0 and rated > _rating(ranges, *other)


def _ranges(accept: bytes) -> Iterator[_Range]:
    """The members of Accept as far as it keeps to the form."""
    at = 0
    while at < len(accept):
        member = _RANGE.match(accept, at)
        if member is None:
            return
        at = member.end()
        weight = _weight(member[3] or b"")
        if member[1] and weight is not None:
            yield member[1].lower(), member[2].lower(), weight


def _weight(parameters: bytes) -> float | None:
    """The weight of a range; None if it is unsound, or if another parameter asks for what there is not."""
    weight = b"1"
    for name, value in _PARAMETER.findall(parameters.lower()):
        if name == b"q":
            weight = value
        elif (name, value.strip(b'"')) != (b"charset", b"utf-8"):
            return None
    return float(weight) if _WEIGHT.fullmatch(weight) else None


def _rating(ranges: list[_Range], kind: bytes, subtype: bytes) -> tuple[float, int]:
    """(weight, exactness) by the most exact range that includes the type; (0, 0), not acceptable, if none does."""
    forms = (None, (b"*", b"*"), (kind, b"*"), (kind, subtype))
    fitting = ((forms.index(range_[:2]), range_[2]) for range_ in ranges if range_[:2] in forms)
    exactness, weight = max(fitting, default=(0, 0.0))
    return weight, exactness
