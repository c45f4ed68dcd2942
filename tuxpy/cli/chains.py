"""The chains that `tuxpy chain` knows, each made by the code that makes it in service."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..atoms import Frozen, catalogue, graph, lifecycle, script
from ..atoms import text as drawing
from ..errors import ConfigError
from ..model import Request, Serve, refuse
from ..site.opener import OPEN_CHAIN
from ..site.respond import BODY_IN_MEMORY_MAX, respond
from ..site.site import fact


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
    "proxied": ("the same behind the PROXY protocol", lambda: (lifecycle(proxy=True),)),
    "response": ("an answer: a small file from memory, a large one by sendfile", _response_chains),
    "refusal": ("an answer that ends the connection", _refusal_chains),
    "open": ("a name looked up beneath the root", lambda: (OPEN_CHAIN,)),
}


def chains(name: str) -> tuple[Frozen, ...]:
    """The chains of this name, made anew."""
    if name not in CHAINS:
        raise ConfigError(f"there is no chain {name!r}: choose from {', '.join(CHAINS)}")
    return CHAINS[name][1]()


def known(name: str) -> tuple[Frozen, ...]:
    """The chains of this name, or the one in the file of this name, which `tuxpy chain --text` has written."""
    if "/" not in name and name in CHAINS:
        return chains(name)
    if "/" in name or name.endswith(".chain"):
        try:
            return (script.read(Path(name).read_text("utf-8")),)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"no chain can be read from {name}: {error}") from None
    return chains(name)


# Ways to show a chain, by the names of the options.
FORMS: Final[dict[str, Callable[[Frozen], str]]] = {
    "ascii": lambda frozen: drawing.draw(frozen, ascii=True),
    "drawing": drawing.draw,
    "dump": drawing.dump,
    "text": script.write,
    "dot": graph.dot,
    "svg": graph.svg,
}


def drawn(name: str, form: str = "drawing") -> str:
    """The chains of this name in one of FORMS. An SVG has one picture, so it must be one chain."""
    found = known(name)
    if form == "svg" and len(found) > 1:
        raise ConfigError(f"{name} has {len(found)} chains and a picture shows one: write one with --text, draw that")
    return "\n".join(FORMS[form](frozen).rstrip("\n") + "\n" for frozen in found)


def differences(name: str, other: str) -> str:
    """What makes of the one chain the other; nothing when they are the same."""
    (old, *more), (new, *others) = known(name), known(other)
    if more or others:
        raise ConfigError(f"{name if more else other} has several chains: compare one with one")
    return script.diff(old, new)


def calls() -> str:
    """The white list."""
    return catalogue.table()
