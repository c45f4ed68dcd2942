"""What there is to ask a site for: the targets of all its files, as clients write them.

A walk through the root, for a thread of its own, since a directory may hold any number of names. What it names is only
asked for: whether it is served, the judge says.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote_from_bytes

from ..rules.hidden import hidden_by
from .site import Site

TARGETS_MAX: Final = 1_000_000
_UNESCAPED: Final = "/!$&'()*+,;=:@"  # what browsers leave as it is in a path (WHATWG URL, path percent-encode set)


def targets(site: Site) -> Iterator[bytes]:
    """The targets of a site, each directory's index first. Links to directories are not followed.

    Raises site.FileChanged when the site has been closed meanwhile; what cannot be read is passed over.
    """
    count = 0
    with site.held() as root_fd:
        for where, directories, files, _ in os.fwalk(b".", dir_fd=root_fd):
            above = tuple(where.split(b"/")[1:])
            directories[:] = sorted(name for name in directories if _may_be_shown(site, (*above, name)))
            for target in _of_directory(site, above, sorted(files)):
                yield target
                count += 1
                if count >= TARGETS_MAX:
                    return


def _of_directory(site: Site, above: tuple[bytes, ...], files: list[bytes]) -> Iterator[bytes]:
    index = next((name for name in map(os.fsencode, site.policy.index) if name in files), None)
    if index is not None:
        yield _target(above, b"")
    for name in files:
        if name == index or not _may_be_shown(site, (*above, name)):
            continue
        yield _target(above, name)
        if site.policy.clean and name.endswith(b".html"):
            yield _target(above, name.removesuffix(b".html"))


def _may_be_shown(site: Site, segments: tuple[bytes, ...]) -> bool:
    return hidden_by(segments, site.policy.hidden) is None


def _target(above: tuple[bytes, ...], name: bytes) -> bytes:
    return b"/" + quote_from_bytes(b"/".join((*above, name)), _UNESCAPED).encode()
