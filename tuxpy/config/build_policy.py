"""The section of a site to its Policy."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from types import MappingProxyType
from typing import Final, TypeVar

from ..errors import ConfigError
from ..http.mediatypes import MediaType, media_type, value_of
from ..rules.circles import circle
from ..rules.cors import CorsRule
from ..rules.defaults import SECURITY_RULE
from ..rules.fields import FieldRule
from ..rules.gates import Gate, Login
from ..rules.hidden import HIDDEN, HiddenPolicy
from ..rules.policy import Policy
from ..rules.redirects import RedirectRule
from ..rules.tries import TryRule
from .problems import Trouble
from .tree import Section

T = TypeVar("T")

_LISTING_MAX: Final = 1_000_000
_TYPE = re.compile(r"[!#$&^_.+0-9A-Za-z-]+/[!#$&^_.+0-9A-Za-z-]+(?:[ \t]*;[^\x00-\x1f\x7f]+)?")


def policy_of(site: Section, trouble: Trouble) -> Policy:
    """What the section says; a rule that cannot be goes to `trouble`."""
    rules = _rules(site, "headers", _field_rule, trouble)
    return Policy(
        index=_index(site, trouble),
        listing=site["listing"],
        listing_max=_number(site, "listing_max", 1, _LISTING_MAX, trouble),
        clean=site["clean_urls"],
        tries=_rules(site, "try", _try_rule, trouble),
        fallback=_page(site, "spa", "index.html", trouble),
        not_found=_page(site, "not_found", "404.html", trouble),
        error_pages=_error_pages(site, trouble),
        hidden=_hidden(site, trouble),
        gates=_rules(site, "access", _gate, trouble),
        types=_types(site, trouble),
        compress=site["compress"],
        compress_max=_number(site, "compress_max", 1 << 10, 1 << 30, trouble),
        rules=(SECURITY_RULE, *rules) if site["security_headers"] else rules,
        redirects=_redirects(site, trouble),
        rules_files=None if site["rules_files"] == "off" else site["rules_files"],
        cors=_cors(site, trouble),
        hashed_names=site["hashed_names"],
        tag=site["etag"],
        links=site["symlinks"],
    )


def _number(site: Section, key: str, least: int, most: int, trouble: Trouble) -> int:
    given: int = site[key]
    with trouble.at(site.origin_of(key), f"site.{key}"):
        if not least <= given <= most:
            raise ConfigError(f"{given} is not possible: give {least} to {most}")
        return given
    return least


# Names.


def _index(site: Section, trouble: Trouble) -> tuple[bytes, ...]:
    with trouble.at(site.origin_of("index"), "site.index"):
        for name in site["index"]:
            if "/" in name:
                raise ConfigError(f"{name!r} is not a file name: give it without a slash")
        return tuple(_beneath(name) for name in site["index"])
    return ()


def _page(site: Section, key: str, true: str, trouble: Trouble) -> bytes | None:
    given = site[key]
    if given is False:
        return None
    with trouble.at(site.origin_of(key), f"site.{key}"):
        return _beneath(true if given is True else given)
    return None


def _error_pages(site: Section, trouble: Trouble) -> MappingProxyType[int, bytes]:
    pages: dict[int, bytes] = {}
    for status, page in site["error_pages"].items():
        with trouble.at(site.origin_of("error_pages"), "site.error_pages"):
            pages[status] = _beneath(page)
    return MappingProxyType(pages)


def _beneath(name: str) -> bytes:
    """The name of a file beneath the root."""
    bare = name.strip("/")
    if not bare or "\0" in bare or any(segment in ("", ".", "..") for segment in bare.split("/")):
        raise ConfigError(f"{name!r} is not a file beneath the root: give a name such as index.html")
    return os.fsencode(bare)


def _hidden(site: Section, trouble: Trouble) -> HiddenPolicy:
    hidden = HIDDEN
    for key in ("hide", "show"):
        with trouble.at(site.origin_of(key), f"site.{key}"):
            HiddenPolicy.parse(**{key: site[key]})
    try:
        hidden = HiddenPolicy.parse(site["hide"], site["show"])
    except ConfigError:
        pass  # said of its key
    return hidden


def _types(site: Section, trouble: Trouble) -> MappingProxyType[bytes, MediaType]:
    types: dict[bytes, MediaType] = {}
    for extension, name in site["types"]:
        with trouble.at(site.origin_of("types"), "site.types"):
            if not _TYPE.fullmatch(name):
                raise ConfigError(f"{name!r} is not a media type: give two names with a slash, as in text/plain")
            if not name.isascii() or "/" in extension or "." in extension.removeprefix("."):
                raise ConfigError(f"{extension!r} is not an extension: give what stands behind the last dot of a name")
            key = os.fsencode(extension.removeprefix(".").lower())
            # To say what the type is anyway means to say it without charset: the page's own <meta charset> counts then.
            same = media_type(b"a." + key).value == value_of(name)
            value = name.encode() if ";" in name or same else value_of(name)
            types[key] = MediaType(value, "the configuration says so")
    return MappingProxyType(types)


# Rules.


def _rules(
    site: Section, key: str, make: Callable[[Section, str], T], trouble: Trouble
) -> tuple[T, ...]:
    """A rule for each table in an array; tables that were not understood have their problems already."""
    made: list[T] = []
    for section in site[key]:
        if not section.broken:
            with trouble.at(section.origin, section.name):
                made.append(make(section, str(section.origin)))
    return tuple(made)


def _field_rule(rule: Section, where: str) -> FieldRule:
    return FieldRule.parse(
        rule["path"], rule["set"], remove=rule["remove"], append=rule["append"], statuses=rule["statuses"], where=where
    )


def _redirects(site: Section, trouble: Trouble) -> tuple[RedirectRule, ...]:
    rules = _rules(site, "redirects", _redirect, trouble)
    found = circle(rules)
    if found is not None:
        first, way = found
        words = " -> ".join(path.decode("utf-8", "replace") for path in way)
        origin = next(one.origin for one in site["redirects"] if str(one.origin) == first.where)
        trouble.add(origin, "site.redirects", f"the redirects {words} lead in a circle: take one of them out")
    return rules


def _redirect(rule: Section, where: str) -> RedirectRule:
    return RedirectRule.parse(
        rule["from"], rule["to"], rule["status"], force=rule["force"], query=rule["query"],
        pass_query=rule["pass_query"], where=where,
    )  # fmt: skip


def _try_rule(rule: Section, where: str) -> TryRule:
    return TryRule.parse(rule["path"], rule["names"], where)


def _gate(rule: Section, where: str) -> Gate:
    path = rule.path_of("password_file")
    if path is None and ("users" in rule.given or "realm" in rule.given):
        raise ConfigError("users and realm need a password_file: give one, or remove them")
    login = None if path is None else Login(path, frozenset(rule["users"]), rule["realm"])
    return Gate.parse(
        rule["path"], allow=rule["allow"], deny=rule["deny"], login=login, either=rule["satisfy"] == "any",
        excepted=rule["except"], where=where,
    )  # fmt: skip


def _cors(site: Section, trouble: Trouble) -> CorsRule | None:
    given = site["cors"]
    with trouble.at(site.origin_of("cors"), "site.cors"):
        if not isinstance(given, Section):
            return CorsRule.parse(given) if given else None
        if given.broken:
            return None
        return CorsRule.parse(
            given["origins"], methods=given["methods"], request_headers=given["request_headers"],
            expose=given["expose"], credentials=given["credentials"], max_age_s=int(given["max_age"]),
        )  # fmt: skip
    return None
