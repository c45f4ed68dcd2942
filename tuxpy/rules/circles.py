"""Redirects that lead in a circle: a browser follows them until it gives up. Pure.

Only what can be said from the rules alone is, by the rule that matches first: from paths that are written out, and
from such as stand for all that a pattern is for. A circle may grow: from /b/* to /b/x/:splat, each round is longer. A
rewrite is not looked up again, so it ends every way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_to_bytes

from .redirects import REDIRECTS, RedirectRule, RedirectTable


def circle(rules: Iterable[RedirectRule]) -> tuple[RedirectRule, tuple[bytes, ...]] | None:
    """The first rule of a circle and the paths on the way, of which the first is the last; None: there is none."""
    table = RedirectTable(rules)
    for rule in table.rules:
        for start in sorted(rule.pattern.literals or ()):
            way = [start]
            while (path := _next(table, way[-1])) is not None and path not in way:
                way.append(path)
            if path == start:
                return rule, (*way, start)
    return None


# Signs that no pattern has by chance.
_SAMPLES: Final = ("q7x0z", "zz.q7x")
_STEPS_MAX: Final = 20  # redirects that browsers follow


def endless(rules: Iterable[RedirectRule]) -> tuple[RedirectRule, tuple[bytes, ...]] | None:
    """The first rule with a pattern from which the redirects do not end, and the beginning of the way. Where there are
    files on it and no `force`, those end it."""
    table = RedirectTable(rules)
    for rule in table.rules:
        if rule.pattern.literals or rule.query or rule.status not in REDIRECTS:
            continue
        for word in _SAMPLES:
            way = [_sample(rule, word)]
            while len(way) <= _STEPS_MAX and (path := _next(table, way[-1])) is not None:
                way.append(path)
            if len(way) > _STEPS_MAX:
                return rule, tuple(way[:3])
    return None


def _sample(rule: RedirectRule, word: str) -> bytes:
    """A path that the pattern is for."""
    parts = (word if part.startswith(":") else part.replace("*", word) for part in rule.pattern.text.split("/"))
    path = "/".join(parts)
    return unquote_to_bytes(path if path.startswith("/") else "/" + path)


def _next(table: RedirectTable, path: bytes) -> bytes | None:
    found = table.find(path, None)
    if found is None or found.status not in REDIRECTS or found.location is None or found.location[:1] != b"/":
        return None
    return unquote_to_bytes(found.location.partition(b"#")[0].partition(b"?")[0])
