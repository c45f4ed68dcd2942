"""What the operator wants of a site, beyond its directory. A Policy is frozen; another one is another value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Final, Literal, get_args

from ..http.mediatypes import MediaType
from ..values import value_class
from .cors import CorsRule
from .fields import FieldRule
from .gates import Gate
from .hidden import HIDDEN, HiddenPolicy
from .redirects import RedirectRule
from .rulesfiles import Dialect
from .tries import TryRule

Tag = Literal["file", "time", "content"]
HashedNames = Literal["certain", "likely", "off"]
Links = Literal["inside", "all", "none"]

TAGS: Final[tuple[Tag, ...]] = get_args(Tag)
LINKS: Final[tuple[Links, ...]] = get_args(Links)


@value_class(frozen=True, slots=True)
class Policy:
    """How names become answers.

    index        names that stand for a directory, best first
    listing      a directory without any of them shows what it holds
    listing_max  so many names at most
    clean        /about is also about.html, if there is no file or directory of that name
    tries        paths for which other names are looked at than these; the first rule that matches decides
    fallback     what is served in place of a page that is not there, for applications that read the address themselves;
                 a name with the extension of a script, style, image or the like stays a 404
    not_found    the name of pages that are sent with a 404: the nearest one, from the target's directory upwards
    error_pages  files beneath the root that are sent with these statuses in place of our own small page
    hidden       names that are never served
    gates        who may see what, by address and by password
    types        types by extension (lower case, no dot), before our own table
    compress     types that shrink are sent compressed to clients that accept that
    compress_max bytes of the largest file that is compressed here
    rules        fields of answers, by path
    redirects    where paths lead; the first rule that matches decides
    rules_files  _headers and _redirects at the top of the root are read so; None: they are not read
    cors         which pages of other origins may read what is served; None: the browser's own rule
    hashed_names which names promise that a file never changes: those that only a build can have given, by form and by
                 what the build left behind; those that are merely likely, too; or none
    tag          what an entity tag is made of: the facts of the file with its inode, without it (several machines with
                 the same times agree), or its content (several machines with the same bytes agree)
    links        symbolic links that are followed: those that stay inside the root, all, or none
    """

    index: tuple[bytes, ...] = (b"index.html",)
    listing: bool = False
    listing_max: int = 100_000
    clean: bool = False
    tries: tuple[TryRule, ...] = ()
    fallback: bytes | None = None
    not_found: bytes | None = b"404.html"
    error_pages: Mapping[int, bytes] = field(default_factory=lambda: MappingProxyType({}))
    hidden: HiddenPolicy = HIDDEN
    gates: tuple[Gate, ...] = ()
    types: Mapping[bytes, MediaType] = field(default_factory=lambda: MappingProxyType({}))
    compress: bool = True
    compress_max: int = 32 << 20
    rules: tuple[FieldRule, ...] = ()
    redirects: tuple[RedirectRule, ...] = ()
    rules_files: Dialect | None = "netlify"
    cors: CorsRule | None = None
    hashed_names: HashedNames = "certain"
    tag: Tag = "file"
    links: Links = "inside"
