"""Options and variables, laid over what a file says.

An option wins over its variable, a variable over the file. What is said of a site is said of every site. Rules that
the command line makes (fields, access) come behind those of the file: for fields the last one wins, and a gate that is
added closes, never opens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import ConfigError
from .flags import FLAGS, Flag
from .kinds import value_of
from .problems import Trouble
from .tree import Given, Origin, Section, Tree


def overlay(tree: Tree, flags: Mapping[str, object], environ: Mapping[str, str], trouble: Trouble) -> None:
    """Change the tree. `flags` are the options that were given, by name: a text, a number, a bool, or several texts."""
    asked: dict[str, Given] = {}
    for flag in FLAGS:
        variable = flag.variable_in(environ)
        if flag.name in flags:
            origin, raw = Origin(flag.words), flags[flag.name]
        elif variable is not None:
            origin, raw = Origin(variable), _from_words(flag, environ[variable])
        else:
            continue
        with trouble.at(origin):
            asked[flag.name] = _given(flag, raw, origin)
    _apply(tree, asked, trouble)


def _from_words(flag: Flag, words: str) -> object:
    """What a variable says: the same as the option would."""
    if flag.several:
        return [line.strip() for line in words.splitlines() if line.strip()] if flag.lines else words.split()
    return words


def _given(flag: Flag, raw: object, origin: Origin) -> Given:
    if isinstance(raw, str):
        raw = flag.kind.word(raw)
    elif isinstance(raw, Sequence):
        raw = list(raw)
    if flag.switch is not None and isinstance(raw, bool):
        raw = raw is flag.switch
    if flag.name == "error_page":
        raw = dict(_pairs(raw))
    key = flag.declared
    return Given(raw, raw if key is None else value_of(key.kind, raw), origin)


def _pairs(given: Any) -> Iterator[tuple[str, str]]:
    for word in given:
        status, equals, page = word.partition("=")
        if not equals:
            raise ConfigError(f"{word!r} is not a status and page: give both, as in 403=/no.html")
        yield status, page


def _apply(tree: Tree, asked: Mapping[str, Given], trouble: Trouble) -> None:
    if "dir" in asked and len(tree.sites) > 1:
        many = f"there are {len(tree.sites)} sites in the file, and it is no root for all: leave it out"
        trouble.add(asked["dir"].origin, "", many)
    if not tree.sites:
        tree.sites.append(Section("site"))
        tree.has_no_root = tree.source is not None and "dir" not in asked and not tree.has_faulty_site
    tree.address = {name: asked[name] for name in ("host", "port") if name in asked}
    for flag in FLAGS:
        if flag.key is None or flag.name not in asked:
            continue
        section, key = flag.key
        for there in tree.sites if section == "site" else [getattr(tree, section)]:
            _set(there, key, asked[flag.name], flag.adds)
    for site in tree.sites:
        _add(site, "headers", _fields(asked, trouble))
        _add(site, "access", _gates(asked))


def _set(section: Section, name: str, given: Given, adds: bool) -> None:
    before = section.given.get(name)
    if adds and before is not None:
        join: Any = (lambda a, b: {**a, **b}) if isinstance(given.raw, dict) else (lambda a, b: [*a, *b])
        origin = Origin(f"{before.origin}, {given.origin}")
        given = Given(join(before.raw, given.raw), _joined(before.value, given.value), origin)
    section.given[name] = given


def _joined(before: Any, value: Any) -> Any:
    return {**before, **value} if isinstance(value, dict) else (*before, *value)


def _add(site: Section, name: str, made: list[Section]) -> None:
    """Rules behind those that are there."""
    if made:
        before = site.given.get(name)
        there = [] if before is None else list(before.value)
        site.given[name] = Given(None, [*there, *made], made[0].origin if before is None else before.origin)


def _fields(asked: Mapping[str, Given], trouble: Trouble) -> list[Section]:
    """--header as a rule."""
    if "header" not in asked:
        return []
    given = asked["header"]
    first: dict[str, str] = {}
    more: dict[str, list[str]] = {}
    with trouble.at(given.origin):
        for line in given.value:
            name, colon, value = (part.strip() for part in line.partition(":"))
            if not colon:
                raise ConfigError(f"{line!r} is not a field: give name, colon and value, as in 'X-Frame-Options: DENY'")
            if name in first:
                more.setdefault(name, []).append(value)
            else:
                first[name] = value
    if not first:
        return []
    return [_rule("site.headers", given.origin, path="*", set=first, **({"append": more} if more else {}))]


def _gates(asked: Mapping[str, Given]) -> list[Section]:
    """--allow and --deny as a gate, --auth-file as another one."""
    made = []
    lists = {name: asked[name] for name in ("allow", "deny") if name in asked}
    if lists:
        origin = Origin(", ".join(str(given.origin) for given in lists.values()))
        made.append(_rule("site.access", origin, path="*", **{name: given.raw for name, given in lists.items()}))
    if "auth_file" in asked:
        given = asked["auth_file"]
        made.append(_rule("site.access", given.origin, path="*", password_file=given.raw))
    return made


def _rule(name: str, origin: Origin, **raw: object) -> Section:
    section = Section(name, origin)
    for key in section.known():
        if key.name in raw:
            section.given[key.name] = Given(raw[key.name], value_of(key.kind, raw[key.name]), origin)
    return section
