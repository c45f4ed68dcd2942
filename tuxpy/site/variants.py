"""Which of the forms of a file is sent (RFC 9110 12.1): as it is, coded by its author beside it, or coded here.

A type that shrinks has variants, so all its answers say Vary: Accept-Encoding, whichever is sent. A precompressed file
that is not older than the original is taken before anything is compressed here; only it can be served in parts, since
what is compressed here exists for whole answers alone.
"""

from __future__ import annotations

import logging
import os
import re
from functools import lru_cache
from typing import Final

from ..http import negotiate
from ..http.mediatypes import MediaType, coding_by_name, media_type
from ..model import Field, FileFact, Request, text
from ..rules.fields import declared_coding
from ..values import value_class
from . import codings, compress, tags
from .made import Body, Full
from .site import Site, release
from .sizes import human_size
from .trail import Trail

log = logging.getLogger("tuxpy")

VARY: Final[Field] = (b"Vary", b"Accept-Encoding")


@value_class(frozen=True, slots=True)
class Variant:
    """What is sent for a file. `file` is the original or its precompressed sibling; None: `body`, made here."""

    etag: bytes
    fields: tuple[Field, ...]
    file: FileFact | None
    body: Body | None = None


@lru_cache(maxsize=1000)
def _say_broken(name: str, coding: str, _version: tuple[int, int, int]) -> None:
    log.warning("%s does not begin as %s does and is ignored: compress it again", name, coding)


# RFC 1952 2.3.1; RFC 8878 3.1.1 and 3.1.2. Brotli has none, but nothing is in no byte.
_SIGNS: Final = {b"gzip": re.compile(rb"\x1f\x8b"), b"zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
                 b"deflate": re.compile(rb".", re.DOTALL), b"br": re.compile(rb".", re.DOTALL)}  # fmt: skip


def _has_signs_of(coding: bytes, file: FileFact) -> bool:
    """Whether the file may be in this coding: a full disk leaves empty ones behind (RFC 9110 8.4.1)."""
    try:
        return _SIGNS[coding].match(os.pread(file.fd, 4, 0)) is not None
    except OSError:  # a broken disk
        return False


@lru_cache(maxsize=1000)
def _say_stale(name: str, original: str, _version: tuple[int, int, int]) -> None:
    """Once for each version."""
    log.warning("%s is older than %s and is ignored: compress it again", name, original)


def coding_of(path: bytes, site: Site) -> bytes | None:
    """The coding that the file at `path` is in by a rule, or by the definition of its type (RFC 9110 8.4)."""
    said = declared_coding(site.rules.fields, b"/" + path)
    return coding_by_name(path) if said is None and b"svgz" not in site.policy.types else said


_SUFFIXES: Final = (b".gz", b".br", b".zst")


def type_of(path: bytes, site: Site) -> MediaType:
    """The type of what is in the file at `path`, once a coding that it is declared to be in is undone."""
    bare = path[: path.rindex(b".")] if path.lower().endswith(_SUFFIXES) else path
    declared = bare != path and declared_coding(site.rules.fields, b"/" + path) is not None
    return media_type(bare if declared else path, site.policy.types)


def choose(request: Request, file: FileFact, site: Site, kind: bytes, trail: Trail) -> Variant | None:
    """The variant to send; None when none is acceptable (406). Whoever gets a sibling owns its descriptor too."""
    tag = tags.etag(file, site)
    declared = coding_of(file.path, site)
    if declared is not None and _has_signs_of(declared, file):  # there is no other form to choose from
        trail.why.append(f"the file is {declared.decode()} already")
        return Variant(tag, ((b"Content-Encoding", declared),), file)
    if not site.policy.compress or not compress.compressible(kind):
        return Variant(tag, (), file)
    preferences = negotiate.acceptable(request.get(b"accept-encoding"))
    wanted = negotiate.ranked(preferences, compress.CODINGS)
    siblings: dict[bytes, FileFact] = {}
    try:
        _find_siblings(siblings, file, site, wanted, trail)
        sizes = {negotiate.IDENTITY: file.size, **{coding: sibling.size for coding, sibling in siblings.items()}}
        coding = negotiate.choose(preferences, sizes)
        if siblings and coding in siblings:
            trail.why.append(f"it is sent as {text(siblings[coding].path)}, a compressed copy beside the file")
            tag = tags.etag_beside(siblings[coding], coding, site)
            return Variant(tag, (VARY, (b"Content-Encoding", coding)), siblings.pop(coding))
    finally:
        for sibling in siblings.values():
            release(sibling)
    made = None if siblings or request.get(b"range") else _made(file, kind, preferences, site, trail)
    if made is not None:
        coding, body = made
        return Variant(compress.variant_etag(tag, coding), (VARY, (b"Content-Encoding", coding)), None, body)
    if preferences.refuses_identity:
        trail.why.append("the request refuses every form of it that there is")
        return None
    return Variant(tag, (VARY,), file)


def _find_siblings(
    found: dict[bytes, FileFact], file: FileFact, site: Site, wanted: tuple[bytes, ...], trail: Trail
) -> None:
    """Into `found`: the precompressed files that are welcome and fresh, open. It may end half-way, by an OSError."""
    for coding, name in compress.precompressed(file.path):
        if coding not in wanted:
            continue
        there = site.open(name)
        if not isinstance(there, FileFact):
            if there.witness is None:
                trail.cacheable = False  # it may become readable, and nobody would see that
            else:
                trail.witnesses.append(there.witness)
            continue
        trail.witnesses.append(site.witness(there))
        if not _has_signs_of(coding, there):
            trail.why.append(f"{text(name)} is not {coding.decode()}, so it is ignored")
            if codings.rests(there):
                _say_broken(text(name), coding.decode(), (there.dev, there.ino, there.mtime_ns))
            else:  # its author is writing it; if it stays like this, a later judgement warns
                trail.cacheable = False
            release(there)
        elif compress.is_stale(there.mtime_ns, file.mtime_ns):
            _say_stale(text(name), text(file.path), (there.dev, there.ino, there.mtime_ns))
            trail.why.append(f"{text(name)} is older than the file, so it is ignored")
            release(there)
        else:
            found[coding] = there


def _made(
    file: FileFact, kind: bytes, preferences: negotiate.Preferences, site: Site, trail: Trail
) -> tuple[bytes, Body] | None:
    """The most welcome coding that can be made here, and the body in it; None when identity is as welcome or better."""
    welcome = negotiate.ranked(preferences, compress.available())
    most, refused = site.policy.compress_max, preferences.refuses_identity
    must = refused and file.size <= most
    if not welcome or not (must or compress.worth_trying(kind, file.size, most)):
        if welcome and file.size > most:
            trail.why.append(_TOO_LARGE.format(human_size(most)))
        return None
    coding = welcome[0]
    if preferences.weight(coding) < preferences.weight(negotiate.IDENTITY):
        return None
    if not must and (because := codings.not_now(file, site)):
        trail.why.append(because)
        trail.cacheable = False
        return None
    try:
        body = codings.coded(file, coding, site)
    except Full:
        if must:
            raise
        trail.why.append("it is not compressed now: all memory for such bodies is in use")
        trail.cacheable = False
        return None
    if not must and not compress.worthwhile(file.size, body.size):
        trail.why.append(f"{coding.decode()} would not make it clearly smaller")
        return None
    trail.why.append(f"it is sent as {coding.decode()}, {body.size} bytes that the server made")
    return coding, body


_TOO_LARGE: Final = "it is not compressed: it is larger than {} (compress_max); put a .gz, .br or .zst file beside it"
