"""Files that never change under their name, so that browsers may keep them for a year (RFC 8246 2).

A wrong yes cannot be called back, so the name alone decides only where it is certain (rules/hashed.py). Otherwise the
build that put the file there has to say so: by a manifest that names it, or by the site's first page, which names
scripts with a hash from the same directory.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from ..model import FileFact
from ..rules import hashed
from ..rules.defaults import DEFAULT_RULES, IMMUTABLE_DIRECTORIES, LASTING_RULES
from ..rules.fields import FieldRule
from .root import FileChanged
from .site import Site, read_slices, release

# Vite, create-react-app and webpack, Django, Laravel, Rails: at the top of what was built.
MANIFESTS: Final = (
    *(b".vite/manifest.json", b"manifest.json", b"asset-manifest.json", b"staticfiles.json", b"mix-manifest.json"),
    *(b"build/manifest.json", b"assets/manifest.json", b"assets/.manifest.json"),
)
_READ_MAX: Final = 1 << 20
_REFERENCE = re.compile(rb"""["'= (](?:\./|/)?([^"'=\s()<>?#:]*/)([^"'=\s()<>?#/]+\.(?:m?js|css))["'\s)>?]""")
# Where tools part scripts and styles from pictures.
_PARTED = re.compile(rb"(?:js|css|chunks)/\Z")


def rules_for(path: bytes, site: Site) -> tuple[FieldRule, ...]:
    """The default rules for the fields of the file at `path`, beneath the root."""
    return LASTING_RULES if is_lasting(path, site) else DEFAULT_RULES


def is_lasting(path: bytes, site: Site) -> bool:
    """Whether what is served under this name can never be another content."""
    how = site.policy.hashed_names
    if how == "off":
        return False
    if any(directory in b"/" + path for directory in IMMUTABLE_DIRECTORIES):
        return True
    directory, _, name = path.rpartition(b"/")
    sure = hashed.certainty(name)
    if sure in (hashed.NO, hashed.CERTAIN):
        return sure == hashed.CERTAIN
    if sure == hashed.LIKELY and (how == "likely" or _is_built(directory + b"/", site)):
        return True
    return any(_holds(manifest, name, site) for manifest in MANIFESTS)


def _is_built(directory: bytes, site: Site) -> bool:
    """Whether the first page takes scripts with a hash from there."""
    return any(directory.startswith(place) for index in site.policy.index for place in _built(_read(index, site)))


def _holds(manifest: bytes, name: bytes, site: Site) -> bool:
    content = _read(manifest, site)
    return any(start + name + b'"' in content for start in (b'"', b"/"))


@lru_cache(maxsize=64)
def _built(page: bytes) -> frozenset[bytes]:
    found = (match.groups() for match in _REFERENCE.finditer(page))
    places = {_PARTED.sub(b"", place) for place, name in found if hashed.certainty(name) == hashed.CERTAIN}
    return frozenset(places - {b"", b"/"})


def _read(name: bytes, site: Site) -> bytes:
    """A file beneath the root, if it is not too large; b"": there is none that can be read."""
    found = site.open(name)
    if not isinstance(found, FileFact):
        return b""
    try:
        return b"" if found.size > _READ_MAX else read_slices(found, [(0, found.size)])[0]
    except FileChanged:
        return b""
    finally:
        release(found)
