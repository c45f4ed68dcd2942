"""What starts all the same and is hardly meant: rules that never match, pages that are never sent, unknown users.

`tuxpy check` tells it, and so does a server before it serves and when it reads its configuration again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from ..base.time_limit import looking_at
from ..errors import ConfigError
from ..rules.circles import endless
from ..rules.patterns import Pattern
from ..rules.redirects import REDIRECTS, RedirectRule
from ..rules.rulesfiles import FILE_BYTES_MAX, ParsedRedirects, parse_headers, parse_redirects
from ..rules.tries import TryRule
from .problems import Problem, Trouble
from .sites import SiteConfig
from .tree import Origin, Section, Tree

R = TypeVar("R", RedirectRule, TryRule)

# What a site can answer with a page of its own. All others are the engine's, or said before it is known which site.
_STATUSES: Final = (401, 403, 404, 405, 406, 412, 416, 417, 501)


def doubts(tree: Tree, sites: Sequence[SiteConfig], rules_files: bool) -> tuple[Problem, ...]:
    """All of it, in the order of lines. rules_files: what is wrong in _headers and _redirects, too."""
    trouble = Trouble()
    problems: list[Problem] = []
    for config, section in zip(sites, tree.sites, strict=True):
        for gate in section["access"]:
            _strangers(gate, trouble)
        _unused_pages(section, trouble)
        _overtaken(config, section, trouble)
        _unused_types(section, trouble)
        if config.mass is None:
            _missing_pages(config, section, trouble)
            _covered(config, section, trouble)
        _endless(config, section, trouble)
        if config.mass is None:
            problems += _rules_files(config) if rules_files else ()
    return tuple(sorted({*trouble.problems, *problems}))


# Users.


def _strangers(gate: Section, trouble: Trouble) -> None:
    """Users who may pass, and of whom the password file knows nothing."""
    path = None if gate.broken else gate.path_of("password_file")
    if path is None:
        return
    from ..rules.password_file import PasswordFile

    try:
        known = PasswordFile(path).current
    except ConfigError:  # told already, where the disk was looked at
        return
    for user in gate["users"]:
        if user not in known:
            trouble.add(gate.origin_of("users"), "site.access.users", f"{user!r} is not in {path!r}, so nobody is that")


# Pages.


def _missing_pages(config: SiteConfig, section: Section, trouble: Trouble) -> None:
    """Files that the configuration names and that are not there; a 404.html may be anywhere, or nowhere."""
    policy = config.policy
    named = [("spa", [policy.fallback] if policy.fallback else []), ("error_pages", list(policy.error_pages.values()))]
    for key, names in named:
        for name in names:
            if not _is_file(config, name):
                trouble.add(section.origin_of(key), f"site.{key}", f"there is no file {_said(name)} beneath the root")


def _unused_pages(section: Section, trouble: Trouble) -> None:
    """Pages for statuses that no site sends."""
    known = ", ".join(map(str, _STATUSES))
    for status in sorted(section["error_pages"]):
        if status not in _STATUSES:
            what = f"the page for {status} is never sent: pages can be given for {known}"
            if status in (429, 503):
                what = f"the page for {status} is never sent: the engine answers with a page of its own, at once"
            trouble.add(section.origin_of("error_pages"), "site.error_pages", what)


def _unused_types(section: Section, trouble: Trouble) -> None:
    """No file has an extension with dots in it: only the part behind the last dot counts."""
    for extension, _ in section["types"]:
        if "*" in extension:
            what = f"{extension!r} is not a pattern: give the extension alone, as in {extension.lstrip('*.')!r}"
            trouble.add(section.origin_of("types"), "site.types", what)


# Rules that never match.

# Signs that no pattern of an operator has by chance: what matches these matches whatever else stands there.
_SAMPLES: Final = (("q7x0z", "w3v9k"), ("zz.q7x", "k9.wzz"))


_COMPARED_MAX: Final = 50_000  # pairs of rules, some 0.1 s: all pairs of 300 rules


def _overtaken(config: SiteConfig, section: Section, trouble: Trouble) -> None:
    """Redirects and try lists of which an earlier one takes everything: the first rule that matches decides."""
    redirects, tries = config.policy.redirects, config.policy.tries
    origins = _origins(section, "redirects", [rule.where for rule in redirects])
    for later, first in _pairs(redirects, _takes_all_of):
        if later.where in origins:
            _add_overtaken(origins[later.where], "site.redirects", first.pattern.text, first.where, trouble)
    origins = _origins(section, "try", [rule.where for rule in tries])
    for later_try, before in _pairs(tries, lambda one, _, paths: _covers(one.pattern, paths)):
        if later_try.where in origins:
            _add_overtaken(origins[later_try.where], "site.try", before.pattern.text, before.where, trouble)


def _pairs(rules: Sequence[R], takes: Callable[[R, R, Sequence[bytes]], bool]) -> Iterator[tuple[R, R]]:
    """(rule, the first one before it that takes all of it); rules behind the first few hundred are not looked at."""
    compared = 0
    for place, later in enumerate(rules):
        compared += place
        if compared > _COMPARED_MAX:
            return
        paths = _paths_of(later.pattern)
        found = next((one for one in rules[:place] if takes(one, later, paths)), None)
        if found is not None:
            yield later, found


def _origins(section: Section, key: str, places: Sequence[str]) -> dict[str, Origin]:
    return {str(one.origin): one.origin for one in section[key] if str(one.origin) in places}


def _add_overtaken(origin: Origin, key: str, pattern: str, where: str, trouble: Trouble) -> None:
    trouble.add(origin, key, f"the rule is never reached: the one for {pattern} ({where}) comes first and takes all")


def _takes_all_of(first: RedirectRule, later: RedirectRule, paths: Sequence[bytes]) -> bool:
    """Nothing is left for `later`. Without force a rule steps back where there is a file, and a forced one has that."""
    if first.query or (later.force and not first.force) or not _covers(first.pattern, paths):
        return False
    # A redirect to where the request already is is passed over.
    return first.status not in REDIRECTS or all(first.apply(path, None) for path in paths)


def _covers(first: Pattern, paths: Sequence[bytes]) -> bool:
    return all(first.match(path) is not None for path in paths)


def _paths_of(pattern: Pattern) -> list[bytes]:
    """Paths that the pattern is for: all, or such as stand for all the others."""
    if pattern.literals:
        return [b"/" + one if pattern.anywhere else one for one in pattern.literals]
    paths = []
    for segment, word in _SAMPLES:
        for deep in ("", segment, f"{segment}/{word}"):
            parts = []
            for part in pattern.text.split("/"):
                if part == "**" or (part == "*" and pattern.text.endswith("/*")):
                    parts.append(deep)
                else:
                    parts.append(word if part.startswith(":") else part.replace("*", segment))
            paths.append("/".join(parts).encode())
    written = [path if path.startswith(b"/") else b"/" + path for path in paths]
    return [path for path in written if pattern.match(path) is not None] or [b"/"]


def _endless(config: SiteConfig, section: Section, trouble: Trouble) -> None:
    found = endless(config.policy.redirects)
    if found is not None:
        origin = _origins(section, "redirects", [found[0].where]).get(found[0].where)
        if origin is not None:
            trouble.add(origin, "site.redirects", _round_and_round(found[1]))


def _round_and_round(way: tuple[bytes, ...]) -> str:
    words = " -> ".join(os.fsdecode(path) for path in way)
    return f"the redirects do not end where there is no file: {words} -> ...: take what they lead to out of the pattern"


def _covered(config: SiteConfig, section: Section, trouble: Trouble) -> None:
    """Redirects of paths at which a file lies: without force, the file is sent."""
    origins = _origins(section, "redirects", [rule.where for rule in config.policy.redirects])
    for rule in config.policy.redirects:
        if rule.force or rule.pattern.anywhere or rule.where not in origins:
            continue
        literals = sorted(rule.pattern.literals)
        if literals and all(_is_file(config, path.lstrip(b"/")) for path in literals):
            what = f"the file {_said(literals[0])} is there and wins: write force = true, or take the file away"
            trouble.add(origins[rule.where], "site.redirects", what)


def _is_file(config: SiteConfig, name: bytes) -> bool:
    path = os.path.join(config.root, os.fsdecode(name))  # noqa: PTH118
    with looking_at(path):
        return os.path.isfile(path)  # noqa: PTH113


def _said(name: bytes) -> str:
    return repr(os.fsdecode(name))


# Files of rules.


def _rules_files(config: SiteConfig) -> Iterator[Problem]:
    """What is wrong in _headers and _redirects; the server ignores such lines and says so in its log."""
    dialect = config.policy.rules_files
    if dialect is None:
        return
    for name, parse in (("_headers", parse_headers), ("_redirects", parse_redirects)):
        path = os.path.join(config.root, name)  # noqa: PTH118
        try:
            with looking_at(path), open(path, "rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
        except OSError:
            continue
        parsed = parse(data, path, dialect)
        found = endless(parsed.rules) if isinstance(parsed, ParsedRedirects) else None
        if found is not None:
            yield Problem(_line_of(found[0].where), found[0].where, _round_and_round(found[1]))
        for said in parsed.problems:
            place, _, what = said.partition(": ")
            yield Problem(_line_of(place), place, what)


def _line_of(place: str) -> int:
    number = place.rpartition(":")[2]
    return int(number) if number.isdecimal() else 0
