"""The chains that `tuxpy chain` knows, each made by the code that makes it in service."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from .atoms import Frozen, lifecycle
from .atoms import text as drawing
from .errors import ConfigError
from .inline import OPEN_CHAIN
from .model import Request, Serve, refuse
from .site.respond import BODY_IN_MEMORY_MAX, respond
from .site.site import fact


def _response_chains() -> tuple[Frozen, ...]:
    """A small and a large answer, compiled by respond as in service; the files exist in memory only."""
    request = Request(b"GET", b"/", b"1.1", ((b"host", b"localhost"),))
    return tuple(_response_chain(request, size) for size in (1024, 16 * BODY_IN_MEMORY_MAX))


def _response_chain(request: Request, size: int) -> Frozen:
    fd = os.memfd_create("example")
    os.truncate(fd, size)
    answer = respond(Serve(file=fact(fd, b"example"), etag=b'"example"'), request, 0.0)
    if answer.file >= 0:
        os.close(answer.file)
    return answer.chain


def _refusal_chains() -> tuple[Frozen, ...]:
    return (respond(refuse(400, "an example"), None, 0.0).chain,)


CHAINS: Final[dict[str, tuple[str, Callable[[], tuple[Frozen, ...]]]]] = {
    "lifecycle": ("a connection, from accept to accept", lambda: (lifecycle(),)),
    "response": ("an answer: a small file from memory, a large one by sendfile", _response_chains),
    "refusal": ("an answer that ends the connection", _refusal_chains),
    "open": ("a name looked up beneath the root", lambda: (OPEN_CHAIN,)),
}


def chains(name: str) -> tuple[Frozen, ...]:
    """The chains of this name, made anew."""
    if name not in CHAINS:
        raise ConfigError(f"there is no chain {name!r}: choose from {', '.join(CHAINS)}")
    return CHAINS[name][1]()


def drawn(name: str, ascii_only: bool = False, dump: bool = False) -> str:
    """The chains of this name as a drawing, or in the form that can be loaded again."""
    pictures = (drawing.dump(c) if dump else drawing.draw(c, ascii=ascii_only) for c in chains(name))
    return "\n".join(picture.rstrip("\n") + "\n" for picture in pictures)
