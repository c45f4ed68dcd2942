"""What the operator wants of a site, beyond its directory. A Policy is frozen; another one is another value."""

from __future__ import annotations

from dataclasses import dataclass

from .access import HIDDEN, HiddenPolicy
from .cors import CorsRule
from .fields import FieldRule


@dataclass(frozen=True, slots=True)
class Policy:
    """How names become answers.

    index      names that stand for a directory, best first
    listing    a directory without any of them shows what it holds
    clean      /about is also about.html, if there is no file or directory of that name
    fallback   what is served in place of a page that is not there, for applications that read the address themselves;
               a name with the extension of a script, style, image or the like stays a 404
    not_found  the name of pages that are sent with a 404: the nearest one, from the target's directory upwards
    hidden     names that are never served
    compress   types that shrink are sent compressed to whoever accepts that
    rules      fields of answers, by path
    cors       which pages of other origins may read what is served; None: the browser's own rule
    """

    index: tuple[bytes, ...] = (b"index.html",)
    listing: bool = False
    clean: bool = False
    fallback: bytes | None = None
    not_found: bytes | None = b"404.html"
    hidden: HiddenPolicy = HIDDEN
    cors: CorsRule | None = None
    compress: bool = True
    rules: tuple[FieldRule, ...] = ()
