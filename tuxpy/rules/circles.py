"""Redirects that lead in a circle: a browser follows them until it gives up. Pure.

Only what can be said from the rules alone is: from paths that are written out, by the rule that matches first. A
rewrite is not looked up again, so it ends every way.
"""

from __future__ import annotations

from collections.abc import Iterable
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


def _next(table: RedirectTable, path: bytes) -> bytes | None:
    found = table.find(path, None)
    if found is None or found.status not in REDIRECTS or found.location is None or found.location[:1] != b"/":
        return None
    return unquote_to_bytes(found.location.partition(b"#")[0].partition(b"?")[0])
