"""Opening a file beneath a directory: the smallest chain there is, of one openat2 atom. The judge runs it for every
name that it looks up. Without openat2, opening.py opens names.
"""

from __future__ import annotations

import logging
import os
from functools import lru_cache, partial
from struct import pack
from typing import Final

from ..atoms import Chain, Frozen, Kind
from ..engine.native import ffi, lib, load_bytes, must
from ..rules.policy import Links
from .opening import OPEN_FLAGS, OpenBeneath, open_anywhere, walk_beneath

log = logging.getLogger("tuxpy")

_NO_XDEV, _NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x01, 0x02, 0x04, 0x08  # openat2(2): RESOLVE_...
_RESOLVE: Final[dict[Links, int]] = {
    "inside": _BENEATH | _NO_MAGICLINKS,
    "none": _BENEATH | _NO_MAGICLINKS | _NO_SYMLINKS,
    "all": _NO_MAGICLINKS,
}


def open_chain(path: bytes, links: Links = "inside", one_mount: bool = False) -> Frozen:
    """One openat2 atom: `path` beneath the directory that is given as a param."""
    c = Chain("open")
    how = c.data(pack("=QQQ", OPEN_FLAGS, 0, _RESOLVE[links] | _NO_XDEV * one_mount), "how")
    root, name, file = c.param("root"), c.data(path + b"\0", "path"), c.fd("file")
    c.openat2(root, name, how, how.size, ret=file)
    return c.freeze()


@lru_cache(maxsize=1024)
def _open_template(length: int, links: Links, one_mount: bool) -> tuple[bytes, int]:
    """The encoded chain for any path of this length, up to where the path begins; and the cell of the file."""
    frozen = open_chain(b"x" * length, links, one_mount)
    file = next(cell.number for cell in frozen.cells if cell.kind is Kind.FD)
    return frozen.encode()[: -length - 1], file


def open_beneath(root_fd: int, path: bytes, links: Links = "inside", one_mount: bool = False) -> int:
    """A descriptor of `path` beneath root_fd, by the chain above. Raises OSError as open(2) does.

    one_mount: EXDEV when the way leads to another mount than that of root_fd."""
    template, file = _open_template(len(path), links, one_mount)
    chain = load_bytes("open", template + path + b"\0", http=False)
    try:
        root, out = ffi.new("struct tux_param *", (0, 0)), ffi.new("struct tux_completion *")
        root.cell, root.value = _ROOT_CELL, root_fd
        must(lib.tux_run_inline(chain, root, 1, file, ffi.NULL, ffi.NULL, ffi.NULL, out), "open")
    finally:
        lib.tux_chain_close(chain)
    if out.result < 0:
        raise OSError(-out.result, os.strerror(-out.result), path)
    return int(out.result)


OPEN_CHAIN: Final = open_chain(b"index.html")
_ROOT_CELL: Final = OPEN_CHAIN.params[0].number


def opener(links: Links = "inside") -> OpenBeneath:
    """openat2 as a one-atom chain; where the kernel has none (before 5.6, or refused), the walk by hand.

    links: the symbolic links that are followed. With all of them, names may lead anywhere that links lead.
    """
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(open_beneath(root, b"."))
    except OSError as error:
        if links == "all":
            return open_anywhere
        if links == "inside":
            log.warning("openat2 is refused here (%s): symbolic links are not followed", error.strerror)
        return walk_beneath
    finally:
        os.close(root)
    return partial(open_beneath, links=links)


def on_one_mount(beneath: OpenBeneath) -> OpenBeneath | None:
    """The same opener, but EXDEV when the way leads to another mount; None: this one does not know mounts."""
    known = isinstance(beneath, partial) and beneath.func is open_beneath
    return partial(beneath, one_mount=True) if known and isinstance(beneath, partial) else None
